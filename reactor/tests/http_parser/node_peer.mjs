// Asks the server on 127.0.0.1:PORT for /0, /1, ... with Node's HTTP client (llhttp), and says what came of each.
import http from "node:http";
import process from "node:process";

const [port, count] = process.argv.slice(-2).map(Number);

function ask(number) {
    return new Promise((resolve) => {
        const body = [];
        const fail = (error) => resolve(`error ${error.code ?? error.message}`);
        const options = { host: "127.0.0.1", port, path: `/${number}`, agent: false, timeout: 20000 };
        const request = http.get(options, (response) => {
            response.on("data", (data) => body.push(data));
            response.on("error", fail);
            response.on("end", () => {
                const whole = `${response.statusCode} ${Buffer.concat(body).toString("hex")}`;
                resolve(response.complete ? whole : "error incomplete");
            });
        });
        request.on("error", fail);
        request.on("timeout", () => request.destroy(new Error("timeout")));
        request.on("upgrade", (response, socket) => {
            socket.destroy();
            resolve("error upgrade");
        });
    });
}

for (let number = 0; number < count; number++) {
    console.log(await ask(number));
}
