/* GETs on hiredis, DEPTH of them in flight on one connection: each reply sends the next. `hiredis PORT DEPTH COUNT` prints
   the nanoseconds of CPU time that one of them takes. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *words[] = {"GET", "key"};
static const size_t lengths[] = {3, 3};

static double cpu(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return used.tv_sec * 1e9 + used.tv_nsec;
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int depth = atoi(argv[2]);
    long count = atol(argv[3]), sent = 0;
    redisContext *connection = redisConnect("127.0.0.1", atoi(argv[1]));
    if (connection == NULL || connection->err) return 1;
    double before = cpu();
    for (; sent < depth && sent < count; sent++) redisAppendCommandArgv(connection, 2, words, lengths);
    for (long replies = 0; replies < count; replies++) {
        redisReply *reply;
        if (redisGetReply(connection, (void **)&reply) != REDIS_OK || reply->type != REDIS_REPLY_STRING) return 1;
        if (reply->len != 32 || memcmp(reply->str, "0123456789abcdef0123456789abcdef", 32) != 0) return 1;
        freeReplyObject(reply);
        if (sent < count) {
            redisAppendCommandArgv(connection, 2, words, lengths);
            sent++;
        }
    }
    printf("%.0f\n", (cpu() - before) / count);
    redisFree(connection);
    return 0;
}
