// bun, by Bun.serve.
const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 255, // s; the default of 10 s would end the idle connections we measure
    fetch: () => new Response('hello', { headers: { 'Content-Type': 'text/plain' } }),
});
console.log(server.port);
process.on('SIGTERM', () => process.exit(0));
