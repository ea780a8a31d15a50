// A line echo on Node: each whole line goes back, all lines of one read in one write. `node node.mjs PORT`.
import net from 'node:net';

const answer = line => line; // With its line end.

const server = net.createServer({ noDelay: true }, socket => {
  let rest = null;
  socket.on('data', bytes => {
    if (rest) bytes = Buffer.concat([rest, bytes]);
    const replies = [];
    let start = 0;
    for (let end; (end = bytes.indexOf(10, start)) >= 0; start = end + 1) {
      replies.push(answer(bytes.subarray(start, end + 1)));
    }
    rest = start < bytes.length ? bytes.subarray(start) : null;
    if (replies.length > 0) socket.write(replies.length === 1 ? replies[0] : Buffer.concat(replies));
  });
  socket.on('error', () => {}); // A reset ends the connection; 'close' follows.
});
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 1024 });
