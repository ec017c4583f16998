// ws on node: /echo, /sub, /pub.
const http = require('node:http');
const { WebSocket, WebSocketServer } = require('ws');

const server = http.createServer((request, response) => response.end('hello'));
// As ours: who asks for compression gets it, without a context between the messages.
const sockets = new WebSocketServer({
    server,
    perMessageDeflate: {
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        zlibDeflateOptions: { level: 3, memLevel: 7 },
        threshold: 256,
    },
});
const subscribers = new Set();
sockets.on('connection', (socket, request) => {
    socket.on('error', () => {});
    if (request.url === '/sub') {
        subscribers.add(socket);
        socket.on('close', () => subscribers.delete(socket));
    } else if (request.url === '/pub') {
        socket.on('message', (data) => {
            for (const one of subscribers) {
                if (one.readyState === WebSocket.OPEN) one.send(data, { binary: false });
            }
        });
    } else {
        socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    }
});
server.listen(0, '127.0.0.1', 4096, () => console.log(server.address().port));
process.on('SIGTERM', () => process.exit(0));
