// node, by its own http module.
const http = require('node:http');

const server = http.createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 5 });
    response.end('hello');
});
server.keepAliveTimeout = 300_000; // the default of 5 s would end the idle connections we measure
server.listen(0, '127.0.0.1', 4096, () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit(0));
