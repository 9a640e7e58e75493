/* Linked into the outer program of a one-file box, of either packer, and run before its main: lets TMPDIR name a folder
 * in which the box can unpack itself. Many a /tmp lets no program run (noexec) or is too small; without this, the packer
 * would fail with a word about "segments" before Python can say anything. build/roomy_temp.py compiles it; Linux only. */

#define _GNU_SOURCE
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef NEEDED_MB
#error "NEEDED_MB: what a box unpacks at each start, of 10^6 bytes"
#endif

static const char *const SENTENCE[] = {
    "The box unpacks itself when it starts, %d MB, and no folder allows that: %s is forbidden to hold programs (noexec), "
    "full, or not writable, and so are the usual others. Name one that will do: TMPDIR=FOLDER in front of the command. "
    "Or take the .tar.gz of this box, which needs none.\n",
    "При запуске коробка распаковывается, %d МБ, и ни одна папка не годится: в %s нельзя держать программы (noexec), нет "
    "места или нельзя писать, и в остальных обычных тоже. Назови подходящую: TMPDIR=ПАПКА перед командой. Или возьми эту "
    "же коробку архивом .tar.gz, ему папка не нужна.\n",
};

static int will_do(const char *folder)
{
    struct statvfs about;
    return folder != NULL && folder[0] == '/' && access(folder, W_OK | X_OK) == 0 && statvfs(folder, &about) == 0
           && !(about.f_flag & (ST_NOEXEC | ST_RDONLY))
           && (about.f_blocks == 0 /* some file systems do not count */
               || (unsigned long long)about.f_bavail * about.f_frsize >= NEEDED_MB * 1000000ULL);
}

static int is_russian(void)
{
    const char *names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (int i = 0; i < 3; i++) {
        const char *told = getenv(names[i]);
        if (told != NULL && told[0] != '\0')
            return strncmp(told, "ru", 2) == 0;
    }
    return 0;
}

__attribute__((constructor)) static void choose(void)
{
    const char *told = getenv("TMPDIR");
    const char *first = told != NULL && told[0] != '\0' ? told : "/tmp";
    char own[PATH_MAX] = "";

    if (getenv("MIND_IN_A_BOX_TEMP") != NULL) /* the inner process: the outer one has chosen, and taken the room */
        return;
    setenv("MIND_IN_A_BOX_TEMP", "chosen", 1);
    if (readlink("/proc/self/exe", own, sizeof own - 1) > 0)
        dirname(own); /* where this program is, programs may be */
    const char *places[] = {first, "/tmp", "/var/tmp", getenv("HOME"), own};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (will_do(places[i])) {
            if (places[i] != first)
                setenv("TMPDIR", places[i], 1);
            return;
        }
    fprintf(stderr, SENTENCE[is_russian()], NEEDED_MB, first);
    exit(1);
}
