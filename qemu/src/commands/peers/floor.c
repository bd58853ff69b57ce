/* The least a container can cost: a clone into the same name spaces, a root of its own, exec.
 * floor RUNS ROOT PROGRAM prints the median time from the clone to the reaped process in us. */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/sched.h>

static int child(const char *root, char **words)
{
	if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL)
	    || mount(root, root, NULL, MS_BIND | MS_REC, NULL) || chdir(root)
	    || mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL)
	    || mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755")
	    || mount("sysfs", "sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL)
	    || syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH) || chdir("/")
	    || sethostname("floor", 5)) {
		perror("floor: the root");
		return 126;
	}
	execv(words[0], words);
	perror("floor: exec");
	return 127;
}

static double once(const char *root, char **words)
{
	struct timespec from, to;
	struct clone_args how = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
			| CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	clock_gettime(CLOCK_MONOTONIC, &from);
	long pid = syscall(SYS_clone3, &how, sizeof how);
	if (pid == 0)
		_exit(child(root, words));
	int status = 0;
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
		fprintf(stderr, "floor: clone or program failed, status %d\n", status);
		exit(1);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1e6 + (to.tv_nsec - from.tv_nsec) / 1e3;
}

static int order(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

int main(int count, char **words)
{
	int runs = count > 3 ? atoi(words[1]) : 0;
	if (runs < 1)
		return 2;
	double *times = malloc(runs * sizeof *times);
	if (!times)
		return 1;
	once(words[2], words + 3);
	for (int run = 0; run < runs; run++)
		times[run] = once(words[2], words + 3);
	qsort(times, runs, sizeof *times, order);
	printf("%.0f\n", times[runs / 2]);
	return 0;
}
