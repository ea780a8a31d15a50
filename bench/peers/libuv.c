/* A line echo on libuv: each whole line goes back, all lines of one read in one write. `libuv PORT` listens on 127.0.0.1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { READ_SIZE = 64 * 1024, MAX_LINE = 64 * 1024 };

/* A connection, with the part of a line that has come so far. */
struct connection { uv_tcp_t tcp; char *line; size_t length; };
struct reply { uv_write_t request; char bytes[]; };

static char read_buffer[READ_SIZE];

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)handle, (void)suggested;
    *buffer = uv_buf_init(read_buffer, READ_SIZE);
}

static void closed(uv_handle_t *handle) {
    struct connection *connection = (struct connection *)handle;
    free(connection->line);
    free(connection);
}

static void written(uv_write_t *request, int status) {
    (void)status;
    free(request);
}

static void send_bytes(uv_stream_t *stream, const char *bytes, size_t length) {
    uv_buf_t now = uv_buf_init((char *)bytes, length);
    int sent = uv_try_write(stream, &now, 1);
    if (sent < 0) sent = 0;
    if ((size_t)sent == length) return;
    struct reply *reply = malloc(sizeof *reply + length - sent);
    memcpy(reply->bytes, bytes + sent, length - sent);
    uv_buf_t rest = uv_buf_init(reply->bytes, length - sent);
    if (uv_write(&reply->request, stream, &rest, 1, written) < 0) free(reply);
}

static void bytes_came(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
    struct connection *connection = (struct connection *)stream;
    if (count < 0 || connection->length + count > MAX_LINE) {
        uv_close((uv_handle_t *)stream, closed);
        return;
    }
    const char *bytes = buffer->base;
    size_t length = count;
    if (connection->length > 0) {
        connection->line = realloc(connection->line, connection->length + count);
        memcpy(connection->line + connection->length, buffer->base, count);
        bytes = connection->line;
        length += connection->length;
    }
    size_t whole = 0;
    for (const char *end; (end = memchr(bytes + whole, '\n', length - whole)) != NULL; whole = end + 1 - bytes)
        ; /* A server with commands would answer each line here. */
    if (whole > 0) send_bytes(stream, bytes, whole);
    size_t left = length - whole;
    if (left > 0) {
        char *rest = malloc(left);
        memcpy(rest, bytes + whole, left);
        free(connection->line);
        connection->line = rest;
    }
    connection->length = left;
}

static void connected(uv_stream_t *server, int status) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (status < 0 || !connection) return;
    uv_tcp_init(server->loop, &connection->tcp);
    if (uv_accept(server, (uv_stream_t *)&connection->tcp) < 0) {
        uv_close((uv_handle_t *)&connection->tcp, closed);
        return;
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    uv_read_start((uv_stream_t *)&connection->tcp, lend_buffer, bytes_came);
}

int main(int count, char **arguments) {
    struct sockaddr_in address;
    uv_tcp_t server;
    if (count != 2) return fprintf(stderr, "usage: libuv PORT\n"), 2;
    uv_ip4_addr("127.0.0.1", atoi(arguments[1]), &address);
    uv_tcp_init(uv_default_loop(), &server);
    int error = uv_tcp_bind(&server, (const struct sockaddr *)&address, 0);
    if (error == 0) error = uv_listen((uv_stream_t *)&server, 1024, connected);
    if (error < 0) return fprintf(stderr, "%s\n", uv_strerror(error)), 1;
    return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
