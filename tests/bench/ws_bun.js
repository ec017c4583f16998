// bun, by the WebSockets of Bun.serve: /echo, /sub, /pub.
const server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch(request, server) {
        const path = new URL(request.url).pathname;
        if (server.upgrade(request, { data: { path } })) return undefined;
        return new Response('hello', { headers: { 'Content-Type': 'text/plain' } });
    },
    websocket: {
        idleTimeout: 255, // s; the default of 120 s might end the idle connections we measure
        perMessageDeflate: { compress: 'shared', decompress: 'shared' },
        open(socket) {
            if (socket.data.path === '/sub') socket.subscribe('news');
        },
        message(socket, message) {
            if (socket.data.path === '/pub') server.publish('news', message, message.length >= 256);
            else socket.send(message);
        },
    },
});
console.log(server.port);
process.on('SIGTERM', () => process.exit(0));
