// An HTTP server on a free port, which it prints: answers with method and target of each request, after its body.
import http from "node:http";
import process from "node:process";

const server = http.createServer((request, response) => {
    request.on("error", () => {});
    request.on("end", () => response.end(`${request.method} ${request.url}`));
    request.resume();
});
server.on("checkExpectation", (request, response) => { response.statusCode = 417; response.end(); });
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit());
process.stdin.resume();
