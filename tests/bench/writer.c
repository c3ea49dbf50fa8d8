/* Writes lines of 100 bytes: three quarters plain text with a level near the head, one quarter
   JSON.

   writer COUNT PER_SECOND BURST_MS DELAY_MS STAMPED
   COUNT 0 goes on for ever; PER_SECOND 0 writes flat out, in blocks of 4 KiB as a C library does;
   else BURST_MS passes between two writes. STAMPED 1 ends each line with its own wall clock time
   in ns. With COUNT reached it waits to be killed when DELAY_MS is not 0, else it ends. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE 100
#define BLOCK 40

static const char *levels[] = {"INFO", "INFO", "DEBUG", "INFO", "WARN", "INFO", "INFO", "ERROR"};
static const char *words[] = {"info", "info", "debug", "warn"};

static int64_t now(clockid_t clock) {
    struct timespec at;
    clock_gettime(clock, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void rest_until(int64_t ns) {
    struct timespec at = {ns / 1000000000LL, ns % 1000000000LL};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL)) {}
}

static void line(char *out, long n, int stamped) {
    char text[2 * LINE];
    int length;
    if (stamped)
        length = snprintf(text, sizeof text, "%s sensor read n=%09ld", levels[n % 8], n);
    else if (n % 4 == 3)
        length = snprintf(text, sizeof text,
                          "{\"level\":\"%s\",\"msg\":\"order stored\",\"order\":%ld,\"ms\":%ld,\"from\":\"",
                          words[n / 4 % 4], n, n % 900);
    else
        length = snprintf(text, sizeof text,
                          "2026-11-21 10:00:%02ld %s worker-%ld: picture %ld converted, size=", n % 60,
                          levels[n % 8], n % 7, n);
    memset(out, 'x', LINE - 1);
    out[LINE - 1] = '\n';
    memcpy(out, text, length);
    if (stamped) {
        out[length] = ' ';
        snprintf(text, sizeof text, " %lld\n", (long long)now(CLOCK_REALTIME));
        memcpy(out + LINE - strlen(text), text, strlen(text));
    } else if (n % 4 == 3)
        memcpy(out + LINE - 3, "\"}\n", 3);
}

static void put(const char *data, size_t size) {
    while (size) {
        ssize_t done = write(1, data, size);
        if (done <= 0) exit(1);
        data += done;
        size -= done;
    }
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    long count = atol(argv[1]), rate = atol(argv[2]), burst = atol(argv[3]), n = 0;
    long delay = atol(argv[4]), carried = 0;
    int stamped = atoi(argv[5]);
    static char block[BLOCK * LINE];
    int64_t next = now(CLOCK_MONOTONIC) + delay * 1000000LL;
    if (delay) rest_until(next);
    while (!count || n < count) {
        long due = BLOCK;
        if (rate) {
            rest_until(next += burst * 1000000LL);
            carried += rate * burst;
            due = carried / 1000;
            carried %= 1000;
        }
        while (due > 0 && (!count || n < count)) {
            int filled = 0;
            while (filled < BLOCK && due > 0 && (!count || n < count)) {
                line(block + filled++ * LINE, n++, stamped);
                due--;
            }
            put(block, filled * LINE);
        }
    }
    if (delay) pause();
    return 0;
}
