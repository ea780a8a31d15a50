/* The floor of the table: a bare epoll loop that sends back what it reads. It parses nothing, checks nothing, and owns
 * nothing for an idle connection but the system's own structures. `bare_epoll PORT` listens on 127.0.0.1. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, BUFFER = 64 * 1024, MAX_DESCRIPTORS = 1 << 20 };

static char buffer[BUFFER];
/* What a slow reader has not taken yet, for each descriptor. */
static struct waiting { char *bytes; size_t length; } waiting[MAX_DESCRIPTORS];

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int epoll, int operation, int fd, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll, operation, fd, &event) < 0) fail("epoll_ctl");
}

static void end(int fd) {
    free(waiting[fd].bytes);
    memset(&waiting[fd], 0, sizeof waiting[fd]);
    close(fd);
}

static void send_back(int epoll, int fd, const char *bytes, size_t length) {
    ssize_t sent = write(fd, bytes, length);
    if (sent < 0 && errno != EAGAIN) return end(fd);
    if (sent < 0) sent = 0;
    if ((size_t)sent == length) return;
    char *rest = malloc(length - sent);
    if (!rest) fail("malloc");
    memcpy(rest, bytes + sent, length - sent);
    free(waiting[fd].bytes);
    waiting[fd] = (struct waiting){rest, length - sent};
    watch(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT); /* Until it has been taken, nothing more is read. */
}

static void handle(int epoll, int fd, unsigned events) {
    if (events & EPOLLOUT) {
        struct waiting rest = waiting[fd];
        memset(&waiting[fd], 0, sizeof waiting[fd]);
        watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
        send_back(epoll, fd, rest.bytes, rest.length);
        free(rest.bytes);
        return;
    }
    ssize_t length = read(fd, buffer, sizeof buffer);
    if (length > 0) return send_back(epoll, fd, buffer, length);
    if (length == 0 || errno != EAGAIN) end(fd);
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (count != 2) return fprintf(stderr, "usage: bare_epoll PORT\n"), 2;
    address.sin_port = htons(atoi(arguments[1]));
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0) fail("bind");
    if (listen(listener, 1024) < 0) fail("listen");
    watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int number = epoll_wait(epoll, events, MAX_EVENTS, -1);
        for (int at = 0; at < number; at++) {
            if (events[at].data.fd != listener) {
                handle(epoll, events[at].data.fd, events[at].events);
                continue;
            }
            int fd;
            while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
            }
        }
    }
}
