/* Measures inside a virtual machine, and is what is measured: one small static program for every
 * machine, ours and the peers'. What it finds goes to the kernel's log as `gauge: NAME VALUE`,
 * which the console shows.
 *
 *   gauge exec PROGRAM…          tells the time, then becomes the program: stands before an init
 *   gauge hello                  tells the time on standard output, then sleeps
 *   gauge sleep                  sleeps
 *   gauge serve                  tells who it is and the time through a pipe, then sleeps
 *   gauge serve-notify           as well, and tells s6 that it is ready
 *   gauge restarts NAME RUNS     kills who serves, and waits for the next one
 *   gauge times NAME RUNS PROGRAM…  how long the program takes from start to end
 *   gauge pss SECONDS            waits, then tells the memory of every process but its own
 *   gauge say PROGRAM…           tells what the program prints
 *   gauge done                   tells that this was all
 *   gauge run FILE               does what each line of the file says, so as an interpreter too
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Supervisors that start a unit at most once a second do so at once after a longer run. */
#define HEALTHY_US 1500000

#define PIPE "/run/gauge.pipe"
#define WORDS_MAX 16

static long long now_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

/* One write is one line of the kernel's log, whatever others write. */
static void tell(const char *form, ...)
{
	char line[512];
	va_list rest;
	int log = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	if (log < 0)
		return;
	va_start(rest, form);
	int length = snprintf(line, sizeof line, "<2>gauge: ");
	length += vsnprintf(line + length, sizeof line - length, form, rest);
	va_end(rest);
	if (length > (int)sizeof line - 1)
		length = sizeof line - 1;
	/* Without its end the kernel would keep the line back until the next one. */
	line[length++] = '\n';
	if (write(log, line, length) < 0)
		perror("gauge: /dev/kmsg");
	close(log);
}

static int fail(const char *what)
{
	tell("error %s: %m", what);
	return 1;
}

static void sleep_for_ever(void)
{
	for (;;)
		pause();
}

static int order(const void *left, const void *right)
{
	long long a = *(const long long *)left, b = *(const long long *)right;
	return (a > b) - (a < b);
}

static void tell_times(const char *name, long long *times, int runs)
{
	qsort(times, runs, sizeof *times, order);
	tell("%s %lld", name, times[runs / 2]);
	tell("%s.least %lld", name, times[0]);
	tell("%s.most %lld", name, times[runs - 1]);
}

/* Who runs under s6 tells it through descriptor 3 that it is ready. */
#define NOTIFICATION 3

static int serve(bool notify)
{
	char line[64];
	int length = snprintf(line, sizeof line, "%d %lld\n", getpid(), now_us());
	int pipe;
	if (notify && write(NOTIFICATION, "\n", 1) != 1)
		return fail("the notification");
	while ((pipe = open(PIPE, O_WRONLY | O_CLOEXEC)) < 0 && errno == ENOENT)
		usleep(100000);
	if (pipe < 0 || write(pipe, line, length) != length)
		return fail(PIPE);
	sleep_for_ever();
	return 0;
}

static int restarts(const char *name, int runs)
{
	long long *times = malloc((runs + 1) * sizeof *times), born, asked = 0;
	int pid;
	if ((mkfifo(PIPE, 0600) && errno != EEXIST) || !times)
		return fail(PIPE);
	FILE *pipe = fopen(PIPE, "r+");
	for (int run = 0; run <= runs; run++) {
		if (!pipe || fscanf(pipe, "%d %lld", &pid, &born) != 2)
			return fail("the pipe");
		/* The first one was started by nobody's kill. */
		times[run] = born - asked;
		if (run == runs)
			break;
		usleep(HEALTHY_US);
		asked = now_us();
		if (kill(pid, SIGKILL))
			return fail("kill");
	}
	tell_times(name, times + 1, runs);
	return 0;
}

static int run_once(char **words)
{
	int status = 0;
	pid_t pid = vfork();
	if (pid == 0) {
		execvp(words[0], words);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static int measure(const char *name, int runs, char **words)
{
	long long *times = malloc(runs * sizeof *times);
	int quiet = open("/dev/null", O_RDWR);
	if (!times || quiet < 0)
		return fail("/dev/null");
	int failed = run_once(words);
	if (failed) {
		tell("failed %s: exit %d", name, failed);
		return 1;
	}
	dup2(quiet, 1);
	dup2(quiet, 2);
	for (int run = 0; run < runs; run++) {
		long long start = now_us();
		if (run_once(words)) {
			tell("failed %s in run %d", name, run);
			return 1;
		}
		times[run] = now_us() - start;
	}
	tell_times(name, times, runs);
	return 0;
}

/* The first number after `key` in a file of /proc; 0 when the process is gone or has none. */
static long number(const char *pid, const char *file, const char *key)
{
	char path[64], line[256];
	long value = 0;
	snprintf(path, sizeof path, "/proc/%.16s/%s", pid, file);
	FILE *from = fopen(path, "re");
	while (from && fgets(line, sizeof line, from))
		if (!strncmp(line, key, strlen(key))) {
			value = atol(line + strlen(key));
			break;
		}
	if (from)
		fclose(from);
	return value;
}

static void name_of(const char *pid, char *name, int size)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%.16s/comm", pid);
	FILE *from = fopen(path, "re");
	if (!from || !fgets(name, size, from))
		snprintf(name, size, "gone");
	name[strcspn(name, "\n")] = 0;
	if (from)
		fclose(from);
}

/* Whoever is called gauge is a unit that was given to the machine, or this one. */
static int pss(int seconds)
{
	char name[64];
	long userland = 0, units = 0;
	sleep(seconds);
	DIR *all = opendir("/proc");
	for (struct dirent *entry; all && (entry = readdir(all));) {
		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		long own = number(entry->d_name, "smaps_rollup", "Pss:");
		if (!own)
			continue;
		name_of(entry->d_name, name, sizeof name);
		if (!strcmp(name, "gauge")) {
			units++;
			continue;
		}
		tell("process %s %s %ld", entry->d_name, name, own);
		userland += own;
		if (!strcmp(entry->d_name, "1"))
			tell("pid1 %ld", own);
	}
	tell("units %ld", units);
	tell("userland %ld", userland);
	return 0;
}

static int say(char **words)
{
	int ends[2];
	char line[256];
	if (pipe2(ends, O_CLOEXEC))
		return fail("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execvp(words[0], words);
		_exit(127);
	}
	close(ends[1]);
	FILE *from = fdopen(ends[0], "r");
	while (from && fgets(line, sizeof line, from)) {
		line[strcspn(line, "\n")] = 0;
		tell("%s", line);
	}
	return waitpid(pid, NULL, 0) != pid;
}

static int act(int count, char **words);

static int run(const char *path)
{
	char line[512], *words[WORDS_MAX + 1];
	FILE *from = fopen(path, "re");
	if (!from)
		return fail(path);
	while (fgets(line, sizeof line, from)) {
		int count = 1;
		char *word = line[0] == '#' ? NULL : strtok(line, " \n");
		for (; word && count < WORDS_MAX; word = strtok(NULL, " \n"))
			words[count++] = word;
		words[count] = NULL;
		/* A step that fails has said so; the others may still tell something. */
		if (count > 1)
			act(count, words);
	}
	return 0;
}

static int act(int count, char **words)
{
	const char *verb = count > 1 ? words[1] : "";
	if (!strcmp(verb, "exec") && count > 2) {
		dprintf(2, "gauge: init %lld\n", now_us());
		execv(words[2], words + 2);
		return fail(words[2]);
	}
	if (!strcmp(verb, "hello")) {
		printf("gauge: hello %lld\n", now_us());
		fflush(stdout);
		sleep_for_ever();
	}
	if (!strcmp(verb, "sleep"))
		sleep_for_ever();
	if (!strcmp(verb, "serve") || !strcmp(verb, "serve-notify"))
		return serve(strlen(verb) > strlen("serve"));
	if (!strcmp(verb, "restarts") && count > 3)
		return restarts(words[2], atoi(words[3]));
	if (!strcmp(verb, "times") && count > 4)
		return measure(words[2], atoi(words[3]), words + 4);
	if (!strcmp(verb, "pss") && count > 2)
		return pss(atoi(words[2]));
	if (!strcmp(verb, "say") && count > 2)
		return say(words + 2);
	if (!strcmp(verb, "run") && count > 2)
		return run(words[2]);
	if (!strcmp(verb, "done"))
		tell("done");
	else
		tell("error no such step: %s", verb);
	return 0;
}

int main(int count, char **words)
{
	return act(count, words);
}
