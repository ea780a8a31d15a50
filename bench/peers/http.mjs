// A small page on Node's HTTP server: `node http.mjs PORT`.
import http from 'node:http';

const server = http.createServer((request, response) => {
  const found = request.method === 'GET' && request.url === '/hello';
  const body = found ? 'hello, world\n' : 'not found\n';
  response.writeHead(found ? 200 : 404, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Length': body.length });
  response.end(body);
});
server.keepAliveTimeout = 600_000;
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 1024 });
