/*
 * rescan.d: what changes below the directories that it is given, and who changes it.
 *
 * USAGE      dtrace -s rescan.d DEV INO [DEV INO …]        (up to 8 pairs)
 *
 *            DEV  s_dev of the directory's file system as the kernel keeps it: major << 20 | minor, with the numbers of
 *                 /proc/self/mountinfo. (stat(2) shows another number on btrfs.)
 *            INO  its inode number, as `stat -c %i` prints it.
 *
 *            A mount inside a watched directory is one more directory to watch: the root of what is mounted.
 *
 * EMITS      one line for each successful call:
 *
 *     op=openat … path=Album/track.flac       a file opened for writing, created, or truncated: exact
 *     op=mkdirat side=to … path=Album/new     a call that names a path. `side` is `from` for what a rename moved away;
 *                                             a rename's second line, with the same timestamp; it may come alone
 *     op=more … rest=…                        the rest of a path string over 255 bytes, after the line that it belongs to
 *     op=mount …                              the mounts have changed
 *     op=blind …                              a change asked for through io_uring, whose path can't be seen here
 *
 *   execname pid uid zone_name                who: command, process, real user, UTS node name
 *   timestamp                                 nanoseconds since 1970
 *   fd, dirfd, fromfd, flags, mntns           numbers from the call and its mount namespace, to look where its path leads
 *   level, dev, ino                           how `path` begins:
 *     level < 100         below the watched directory DEV INO: that many of its names come from the kernel's tree
 *     100 <= level < 200  below no watched directory: it starts at the root INO of file system DEV
 *     level 200           undecided, the tree is deeper than the walk: `path` starts in directory INO of DEV
 *
 *   In lines with `side` the rest of `path` is what the program passed: a name, or something with slashes, symbolic links
 *   and `..` in it. A plain name is exact, and dropped here when it is outside. For the others the reader decides.
 *
 * CONTROL    the consumer changes the set while the program runs, with a system call that does nothing else:
 *                prctl(0x44545243, 1, DEV, INO, yes)      watch this directory (yes = 1), or no longer (0)
 *                prctl(0x44545243, 1, DEV, 0, yes)        directories are watched on this file system: needed as well
 *                prctl(0x44545243, 2, PID, 0, yes)        take no notice of this process, or again
 *
 * NOT SEEN   32-bit programs on a 64-bit kernel (no system-call tracepoints), what the kernel writes itself (its NFS
 *            server, core dumps), open_by_handle_at, descriptors opened before the program started, and the paths of
 *            io_uring's operations (noticed: `blind`).
 *
 * RELIES ON  - curthread->files->fdt->fd[]: what a descriptor stands for; struct file: f_mode, f_flags, f_path.
 *            - struct dentry: d_parent of a file system's root is itself; names are at most 255 bytes (NAME_MAX), so
 *              strings of 256 hold them. A path string may be 4096 (PATH_MAX).
 *            - a call's arguments are in the caller's registers until it is over, but for the first one on arm64, where the
 *              result comes (uregs[]). The size of struct pt_regs tells which they are: arm64 alone has 31 registers.
 *            - dentries stop at the file system's root: mounts are other trees.
 *            - a path's pages are resident once the call has returned; at entry they need not be.
 *
 * HOW LONG   a clause is verified by the kernel once for each of its probes, and each pointer that is followed costs about
 *            a millisecond then. That is why the walks are no longer than they are (24 and 12 levels), and why index()
 *            and comparisons of strings (45 and 16 ms) are avoided. At run time a level costs some 50 ns.
 *            Each record costs as much as a hundred levels, so a change is one record wherever that can be.
 *
 * PITFALLS   - Clause-local variables keep the last firing's value: each is set before it is read, on every path.
 *            - libdtrace 2.0.7 doesn't clear what is left of a longer key when it looks up a shorter one, so all the
 *              associative arrays here have keys of the same shape: (uint32_t, unsigned long).
 *            - There too, a new element may take over the identity of one that was deleted (assigned 0). Nothing is
 *              ever deleted: 1 is yes, 2 is no.
 *            - A failing clause leaves the variables that it had set: `found` is cleared first.
 */
/* zdefs: older kernels lack openat2; arm64 lacks open, rename and other calls that have an …at form. */
#pragma D option quiet
#pragma D option zdefs
#pragma D option defaultargs
#pragma D option strsize=256

/* Registers of the second argument, rsi (on arm64 nobody asks), and of the third: rdx, or x2. */
inline int R_SECOND = 13;
inline int R_THIRD = sizeof (struct pt_regs) < 31 * 8 ? 12 : 2;

dtrace:::BEGIN
{
	ignored[(uint32_t)0, (unsigned long)0] = 2;
	blind[(uint32_t)0, (unsigned long)0] = (pid_t)1;
	watched[(uint32_t)0, (unsigned long)0] = 2;
}

dtrace:::BEGIN
/$2 != 0/
{
	watched[(uint32_t)$1, (unsigned long)0] = 1;
	watched[(uint32_t)$1, (unsigned long)$2] = 1;
}

dtrace:::BEGIN
/$4 != 0/
{
	watched[(uint32_t)$3, (unsigned long)0] = 1;
	watched[(uint32_t)$3, (unsigned long)$4] = 1;
}

dtrace:::BEGIN
/$6 != 0/
{
	watched[(uint32_t)$5, (unsigned long)0] = 1;
	watched[(uint32_t)$5, (unsigned long)$6] = 1;
}

dtrace:::BEGIN
/$8 != 0/
{
	watched[(uint32_t)$7, (unsigned long)0] = 1;
	watched[(uint32_t)$7, (unsigned long)$8] = 1;
}

dtrace:::BEGIN
/$10 != 0/
{
	watched[(uint32_t)$9, (unsigned long)0] = 1;
	watched[(uint32_t)$9, (unsigned long)$10] = 1;
}

dtrace:::BEGIN
/$12 != 0/
{
	watched[(uint32_t)$11, (unsigned long)0] = 1;
	watched[(uint32_t)$11, (unsigned long)$12] = 1;
}

dtrace:::BEGIN
/$14 != 0/
{
	watched[(uint32_t)$13, (unsigned long)0] = 1;
	watched[(uint32_t)$13, (unsigned long)$14] = 1;
}

dtrace:::BEGIN
/$16 != 0/
{
	watched[(uint32_t)$15, (unsigned long)0] = 1;
	watched[(uint32_t)$15, (unsigned long)$16] = 1;
}

/* --- Control, by the consumer itself. --- */

syscall::prctl:entry
/arg0 == 0x44545243 && arg1 == 1 && pid == $pid/
{
	watched[(uint32_t)arg2, (unsigned long)arg3] = arg4 != 0 ? 1 : 2;
}

syscall::prctl:entry
/arg0 == 0x44545243 && arg1 == 2 && pid == $pid/
{
	ignored[(uint32_t)arg2, (unsigned long)0] = arg4 != 0 ? 1 : 2;
}

/* --- Changes of an open file: the descriptor leads to the exact path. --- */

/* An open's flags are still in their register at the return; ftruncate's descriptor is not, on arm64. */
syscall::ftruncate:entry
{
	self->fd = (int)arg0 + 1;
}

syscall::open:return
{
	this->found = 0;
	this->fd = (int)arg1;
	this->flags = uregs[R_SECOND];
}

syscall::openat:return
{
	this->found = 0;
	this->fd = (int)arg1;
	this->flags = uregs[R_THIRD];
}

/*
 * The first member of a struct open_how, which is resident once the call has returned. Where it can't be read, 0103 leaves the answer
 * to the file.
 */
syscall::openat2:return
{
	this->found = 0;
	this->fd = (int)arg1;
	this->flags = 0103;
	this->flags = this->fd >= 0 && pid != $pid ? *(uint64_t *)copyin(uregs[R_THIRD], 8) : 0;
}

syscall::creat:return
{
	this->found = 0;
	this->fd = (int)arg1;
	this->flags = 01101;
}

syscall::ftruncate:return
{
	this->found = 0;
	this->fd = arg1 == 0 ? self->fd - 1 : -1;
	this->flags = 01000;
	self->fd = 0;
}

/*
 * Is it of interest? First what was asked for (O_ACCMODE, O_CREAT, O_TRUNC), since that says no to most. Then what came of it:
 * 0x100002 is FMODE_CREATED | FMODE_WRITE; O_TRUNC empties a file that is not open for writing, too. 030000000: O_PATH, which
 * leaves O_TRUNC out, and O_TMPFILE, a file without a name.
 */
syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return,
syscall::ftruncate:return
/(this->flags & 01103) != 0 && this->fd >= 0 && pid != $pid/
{
	this->file = curthread->files->fdt->fd[this->fd];
	this->found = ((this->file->f_mode & 0x100002) != 0 || (this->flags & 01000) != 0) &&
	    (this->file->f_flags & 030000000) == 0 &&
	    watched[this->dev = (this->d0 = this->file->f_path.dentry)->d_sb->s_dev, (unsigned long)0] == 1 &&
	    ignored[(uint32_t)pid, (unsigned long)0] != 1;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return,
syscall::ftruncate:return
/this->found/
{
	this->now = walltimestamp;
	this->found = 0;
	this->level = watched[this->dev, this->ino = this->d0->d_inode->i_ino] == 1 ? 0
	    : (this->d1 = this->d0->d_parent) == this->d0 ? 100
	    : watched[this->dev, this->ino = this->d1->d_inode->i_ino] == 1 ? 1
	    : (this->d2 = this->d1->d_parent) == this->d1 ? 101
	    : watched[this->dev, this->ino = this->d2->d_inode->i_ino] == 1 ? 2
	    : (this->d3 = this->d2->d_parent) == this->d2 ? 102
	    : watched[this->dev, this->ino = this->d3->d_inode->i_ino] == 1 ? 3
	    : (this->d4 = this->d3->d_parent) == this->d3 ? 103
	    : watched[this->dev, this->ino = this->d4->d_inode->i_ino] == 1 ? 4
	    : (this->d5 = this->d4->d_parent) == this->d4 ? 104
	    : watched[this->dev, this->ino = this->d5->d_inode->i_ino] == 1 ? 5
	    : (this->d6 = this->d5->d_parent) == this->d5 ? 105
	    : watched[this->dev, this->ino = this->d6->d_inode->i_ino] == 1 ? 6
	    : (this->d7 = this->d6->d_parent) == this->d6 ? 106
	    : watched[this->dev, this->ino = this->d7->d_inode->i_ino] == 1 ? 7
	    : (this->d8 = this->d7->d_parent) == this->d7 ? 107
	    : watched[this->dev, this->ino = this->d8->d_inode->i_ino] == 1 ? 8
	    : (this->d9 = this->d8->d_parent) == this->d8 ? 108
	    : watched[this->dev, this->ino = this->d9->d_inode->i_ino] == 1 ? 9
	    : (this->d10 = this->d9->d_parent) == this->d9 ? 109
	    : watched[this->dev, this->ino = this->d10->d_inode->i_ino] == 1 ? 10
	    : (this->d11 = this->d10->d_parent) == this->d10 ? 110
	    : watched[this->dev, this->ino = this->d11->d_inode->i_ino] == 1 ? 11
	    : (this->d12 = this->d11->d_parent) == this->d11 ? 111
	    : watched[this->dev, this->ino = this->d12->d_inode->i_ino] == 1 ? 12
	    : (this->d13 = this->d12->d_parent) == this->d12 ? 112
	    : watched[this->dev, this->ino = this->d13->d_inode->i_ino] == 1 ? 13
	    : (this->d14 = this->d13->d_parent) == this->d13 ? 113
	    : watched[this->dev, this->ino = this->d14->d_inode->i_ino] == 1 ? 14
	    : (this->d15 = this->d14->d_parent) == this->d14 ? 114
	    : watched[this->dev, this->ino = this->d15->d_inode->i_ino] == 1 ? 15
	    : (this->d16 = this->d15->d_parent) == this->d15 ? 115
	    : watched[this->dev, this->ino = this->d16->d_inode->i_ino] == 1 ? 16
	    : (this->d17 = this->d16->d_parent) == this->d16 ? 116
	    : watched[this->dev, this->ino = this->d17->d_inode->i_ino] == 1 ? 17
	    : (this->d18 = this->d17->d_parent) == this->d17 ? 117
	    : watched[this->dev, this->ino = this->d18->d_inode->i_ino] == 1 ? 18
	    : (this->d19 = this->d18->d_parent) == this->d18 ? 118
	    : watched[this->dev, this->ino = this->d19->d_inode->i_ino] == 1 ? 19
	    : (this->d20 = this->d19->d_parent) == this->d19 ? 119
	    : watched[this->dev, this->ino = this->d20->d_inode->i_ino] == 1 ? 20
	    : (this->d21 = this->d20->d_parent) == this->d20 ? 120
	    : watched[this->dev, this->ino = this->d21->d_inode->i_ino] == 1 ? 21
	    : (this->d22 = this->d21->d_parent) == this->d21 ? 121
	    : watched[this->dev, this->ino = this->d22->d_inode->i_ino] == 1 ? 22
	    : (this->d23 = this->d22->d_parent) == this->d22 ? 122
	    : watched[this->dev, this->ino = this->d23->d_inode->i_ino] == 1 ? 23
	    : (this->d24 = this->d23->d_parent) == this->d23 ? 123
	    : watched[this->dev, this->ino = this->d24->d_inode->i_ino] == 1 ? 24
	    : 200;
	this->names = this->level < 100 ? this->level : 24;
	this->found = this->level < 100 || this->level == 200;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return,
syscall::ftruncate:return
/this->found && this->names <= 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d fd=%d dev=%d ino=%d level=%d path=%s%s%s%s\n",
	    probefunc, curthread->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    this->fd, this->dev, this->ino, this->level,
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? stringof(this->d0->d_name.name) : "");
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return,
syscall::ftruncate:return
/this->found && this->names > 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d fd=%d dev=%d ino=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    this->fd, this->dev, this->ino, this->level,
	    this->names > 23 ? strjoin(stringof(this->d23->d_name.name), "/") : "",
	    this->names > 22 ? strjoin(stringof(this->d22->d_name.name), "/") : "",
	    this->names > 21 ? strjoin(stringof(this->d21->d_name.name), "/") : "",
	    this->names > 20 ? strjoin(stringof(this->d20->d_name.name), "/") : "",
	    this->names > 19 ? strjoin(stringof(this->d19->d_name.name), "/") : "",
	    this->names > 18 ? strjoin(stringof(this->d18->d_name.name), "/") : "",
	    this->names > 17 ? strjoin(stringof(this->d17->d_name.name), "/") : "",
	    this->names > 16 ? strjoin(stringof(this->d16->d_name.name), "/") : "",
	    this->names > 15 ? strjoin(stringof(this->d15->d_name.name), "/") : "",
	    this->names > 14 ? strjoin(stringof(this->d14->d_name.name), "/") : "",
	    this->names > 13 ? strjoin(stringof(this->d13->d_name.name), "/") : "",
	    this->names > 12 ? strjoin(stringof(this->d12->d_name.name), "/") : "",
	    this->names > 11 ? strjoin(stringof(this->d11->d_name.name), "/") : "",
	    this->names > 10 ? strjoin(stringof(this->d10->d_name.name), "/") : "",
	    this->names > 9 ? strjoin(stringof(this->d9->d_name.name), "/") : "",
	    this->names > 8 ? strjoin(stringof(this->d8->d_name.name), "/") : "",
	    this->names > 7 ? strjoin(stringof(this->d7->d_name.name), "/") : "",
	    this->names > 6 ? strjoin(stringof(this->d6->d_name.name), "/") : "",
	    this->names > 5 ? strjoin(stringof(this->d5->d_name.name), "/") : "",
	    this->names > 4 ? strjoin(stringof(this->d4->d_name.name), "/") : "",
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? stringof(this->d0->d_name.name) : "");
}

/* --- Changes that name a path. The pointers are kept at entry; the strings are read at return, when their pages are resident. --- */

syscall::unlink:entry,
syscall::rmdir:entry,
syscall::mkdir:entry,
syscall::mknod:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg0;
	self->dirfd = -100;
}

syscall::truncate:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg0;
	self->dirfd = -100;
	self->follows = 1;
}

syscall::unlinkat:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg1;
	self->dirfd = (int)arg0;
	self->flags = (int)arg2;
}

syscall::mkdirat:entry,
syscall::mknodat:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg1;
	self->dirfd = (int)arg0;
}

syscall::symlink:entry,
syscall::link:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg1;
	self->dirfd = -100;
}

syscall::symlinkat:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg2;
	self->dirfd = (int)arg1;
}

syscall::linkat:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg3;
	self->dirfd = (int)arg2;
}

syscall::rename:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg1;
	self->dirfd = -100;
	self->from = arg0;
	self->fromfd = -100;
}

syscall::renameat:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg3;
	self->dirfd = (int)arg2;
	self->from = arg1;
	self->fromfd = (int)arg0;
}

syscall::renameat2:entry
/pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1/
{
	self->path = arg3;
	self->dirfd = (int)arg2;
	self->from = arg1;
	self->fromfd = (int)arg0;
	self->flags = (int)arg4;
}

syscall::unlink:return,
syscall::rmdir:return,
syscall::mkdir:return,
syscall::mknod:return,
syscall::truncate:return,
syscall::unlinkat:return,
syscall::mkdirat:return,
syscall::mknodat:return,
syscall::symlink:return,
syscall::symlinkat:return,
syscall::link:return,
syscall::linkat:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && arg1 == 0/
{
	this->now = walltimestamp;
	this->found = 0;
	this->text = copyinstr(self->path);
	this->length = strlen(this->text);
	this->slash = strchr(this->text, '/') != NULL;
	this->d0 = this->slash && *(char *)copyin(self->path, 1) == '/' ? curthread->fs->root.dentry :
	    self->dirfd == -100 ? curthread->fs->pwd.dentry :
	    curthread->files->fdt->fd[self->dirfd]->f_path.dentry;
	this->dev = this->d0->d_sb->s_dev;
	this->level = watched[this->dev, this->ino = this->d0->d_inode->i_ino] == 1 ? 0
	    : (this->d1 = this->d0->d_parent) == this->d0 ? 100
	    : watched[this->dev, this->ino = this->d1->d_inode->i_ino] == 1 ? 1
	    : (this->d2 = this->d1->d_parent) == this->d1 ? 101
	    : watched[this->dev, this->ino = this->d2->d_inode->i_ino] == 1 ? 2
	    : (this->d3 = this->d2->d_parent) == this->d2 ? 102
	    : watched[this->dev, this->ino = this->d3->d_inode->i_ino] == 1 ? 3
	    : (this->d4 = this->d3->d_parent) == this->d3 ? 103
	    : watched[this->dev, this->ino = this->d4->d_inode->i_ino] == 1 ? 4
	    : (this->d5 = this->d4->d_parent) == this->d4 ? 104
	    : watched[this->dev, this->ino = this->d5->d_inode->i_ino] == 1 ? 5
	    : (this->d6 = this->d5->d_parent) == this->d5 ? 105
	    : watched[this->dev, this->ino = this->d6->d_inode->i_ino] == 1 ? 6
	    : (this->d7 = this->d6->d_parent) == this->d6 ? 106
	    : watched[this->dev, this->ino = this->d7->d_inode->i_ino] == 1 ? 7
	    : (this->d8 = this->d7->d_parent) == this->d7 ? 107
	    : watched[this->dev, this->ino = this->d8->d_inode->i_ino] == 1 ? 8
	    : (this->d9 = this->d8->d_parent) == this->d8 ? 108
	    : watched[this->dev, this->ino = this->d9->d_inode->i_ino] == 1 ? 9
	    : (this->d10 = this->d9->d_parent) == this->d9 ? 109
	    : watched[this->dev, this->ino = this->d10->d_inode->i_ino] == 1 ? 10
	    : (this->d11 = this->d10->d_parent) == this->d10 ? 110
	    : watched[this->dev, this->ino = this->d11->d_inode->i_ino] == 1 ? 11
	    : (this->d12 = this->d11->d_parent) == this->d11 ? 111
	    : watched[this->dev, this->ino = this->d12->d_inode->i_ino] == 1 ? 12
	    : 200;
	this->names = this->level < 100 ? this->level : this->level < 200 ? this->level - 100 : 12;
	this->found = this->level < 100 || this->level == 200 || this->slash || self->follows;
}

syscall::unlink:return,
syscall::rmdir:return,
syscall::mkdir:return,
syscall::mknod:return,
syscall::truncate:return,
syscall::unlinkat:return,
syscall::mkdirat:return,
syscall::mknodat:return,
syscall::symlink:return,
syscall::symlinkat:return,
syscall::link:return,
syscall::linkat:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && arg1 == 0 && this->found/
{
	printf("op=%s side=to execname=%s pid=%d uid=%d zone_name=%s timestamp=%d flags=%d dirfd=%d mntns=%u dev=%d ino=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    self->flags, self->dirfd, curthread->nsproxy->mnt_ns->ns.inum, this->dev, this->ino, this->level,
	    this->names > 11 ? strjoin(stringof(this->d11->d_name.name), "/") : "",
	    this->names > 10 ? strjoin(stringof(this->d10->d_name.name), "/") : "",
	    this->names > 9 ? strjoin(stringof(this->d9->d_name.name), "/") : "",
	    this->names > 8 ? strjoin(stringof(this->d8->d_name.name), "/") : "",
	    this->names > 7 ? strjoin(stringof(this->d7->d_name.name), "/") : "",
	    this->names > 6 ? strjoin(stringof(this->d6->d_name.name), "/") : "",
	    this->names > 5 ? strjoin(stringof(this->d5->d_name.name), "/") : "",
	    this->names > 4 ? strjoin(stringof(this->d4->d_name.name), "/") : "",
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? strjoin(stringof(this->d0->d_name.name), "/") : "",
	    this->text);
}

syscall::unlink:return,
syscall::rmdir:return,
syscall::mkdir:return,
syscall::mknod:return,
syscall::truncate:return,
syscall::unlinkat:return,
syscall::mkdirat:return,
syscall::mknodat:return,
syscall::symlink:return,
syscall::symlinkat:return,
syscall::link:return,
syscall::linkat:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && arg1 == 0 && this->found && this->length == 255/
{
	this->s1 = copyinstr(self->path + 255);
	this->s2 = strlen(this->s1) == 255 ? copyinstr(self->path + 510) : "";
	this->s3 = strlen(this->s2) == 255 ? copyinstr(self->path + 765) : "";
	this->s4 = strlen(this->s3) == 255 ? copyinstr(self->path + 1020) : "";
	this->s5 = strlen(this->s4) == 255 ? copyinstr(self->path + 1275) : "";
	this->s6 = strlen(this->s5) == 255 ? copyinstr(self->path + 1530) : "";
	this->s7 = strlen(this->s6) == 255 ? copyinstr(self->path + 1785) : "";
	this->s8 = strlen(this->s7) == 255 ? copyinstr(self->path + 2040) : "";
	this->s9 = strlen(this->s8) == 255 ? copyinstr(self->path + 2295) : "";
	this->s10 = strlen(this->s9) == 255 ? copyinstr(self->path + 2550) : "";
	this->s11 = strlen(this->s10) == 255 ? copyinstr(self->path + 2805) : "";
	this->s12 = strlen(this->s11) == 255 ? copyinstr(self->path + 3060) : "";
	this->s13 = strlen(this->s12) == 255 ? copyinstr(self->path + 3315) : "";
	this->s14 = strlen(this->s13) == 255 ? copyinstr(self->path + 3570) : "";
	this->s15 = strlen(this->s14) == 255 ? copyinstr(self->path + 3825) : "";
	this->s16 = strlen(this->s15) == 255 ? copyinstr(self->path + 4080) : "";
	printf("op=more side=to timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->from != 0 && arg1 == 0/
{
	this->both = this->found;
	this->found = 0;
	this->text = copyinstr(self->from);
	this->length = strlen(this->text);
	this->slash = strchr(this->text, '/') != NULL;
	this->d0 = this->slash && *(char *)copyin(self->from, 1) == '/' ? curthread->fs->root.dentry :
	    self->fromfd == -100 ? curthread->fs->pwd.dentry :
	    curthread->files->fdt->fd[self->fromfd]->f_path.dentry;
	this->dev = this->d0->d_sb->s_dev;
	this->level = watched[this->dev, this->ino = this->d0->d_inode->i_ino] == 1 ? 0
	    : (this->d1 = this->d0->d_parent) == this->d0 ? 100
	    : watched[this->dev, this->ino = this->d1->d_inode->i_ino] == 1 ? 1
	    : (this->d2 = this->d1->d_parent) == this->d1 ? 101
	    : watched[this->dev, this->ino = this->d2->d_inode->i_ino] == 1 ? 2
	    : (this->d3 = this->d2->d_parent) == this->d2 ? 102
	    : watched[this->dev, this->ino = this->d3->d_inode->i_ino] == 1 ? 3
	    : (this->d4 = this->d3->d_parent) == this->d3 ? 103
	    : watched[this->dev, this->ino = this->d4->d_inode->i_ino] == 1 ? 4
	    : (this->d5 = this->d4->d_parent) == this->d4 ? 104
	    : watched[this->dev, this->ino = this->d5->d_inode->i_ino] == 1 ? 5
	    : (this->d6 = this->d5->d_parent) == this->d5 ? 105
	    : watched[this->dev, this->ino = this->d6->d_inode->i_ino] == 1 ? 6
	    : (this->d7 = this->d6->d_parent) == this->d6 ? 106
	    : watched[this->dev, this->ino = this->d7->d_inode->i_ino] == 1 ? 7
	    : (this->d8 = this->d7->d_parent) == this->d7 ? 107
	    : watched[this->dev, this->ino = this->d8->d_inode->i_ino] == 1 ? 8
	    : (this->d9 = this->d8->d_parent) == this->d8 ? 108
	    : watched[this->dev, this->ino = this->d9->d_inode->i_ino] == 1 ? 9
	    : (this->d10 = this->d9->d_parent) == this->d9 ? 109
	    : watched[this->dev, this->ino = this->d10->d_inode->i_ino] == 1 ? 10
	    : (this->d11 = this->d10->d_parent) == this->d10 ? 110
	    : watched[this->dev, this->ino = this->d11->d_inode->i_ino] == 1 ? 11
	    : (this->d12 = this->d11->d_parent) == this->d11 ? 111
	    : watched[this->dev, this->ino = this->d12->d_inode->i_ino] == 1 ? 12
	    : 200;
	this->names = this->level < 100 ? this->level : this->level < 200 ? this->level - 100 : 12;
	this->found = this->level < 100 || this->level == 200 || this->slash || this->both;
}

syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->from != 0 && arg1 == 0 && this->found/
{
	printf("op=%s side=from execname=%s pid=%d uid=%d zone_name=%s timestamp=%d flags=%d fromfd=%d mntns=%u dev=%d ino=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    self->flags, self->fromfd, curthread->nsproxy->mnt_ns->ns.inum, this->dev, this->ino, this->level,
	    this->names > 11 ? strjoin(stringof(this->d11->d_name.name), "/") : "",
	    this->names > 10 ? strjoin(stringof(this->d10->d_name.name), "/") : "",
	    this->names > 9 ? strjoin(stringof(this->d9->d_name.name), "/") : "",
	    this->names > 8 ? strjoin(stringof(this->d8->d_name.name), "/") : "",
	    this->names > 7 ? strjoin(stringof(this->d7->d_name.name), "/") : "",
	    this->names > 6 ? strjoin(stringof(this->d6->d_name.name), "/") : "",
	    this->names > 5 ? strjoin(stringof(this->d5->d_name.name), "/") : "",
	    this->names > 4 ? strjoin(stringof(this->d4->d_name.name), "/") : "",
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? strjoin(stringof(this->d0->d_name.name), "/") : "",
	    this->text);
}

syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->from != 0 && arg1 == 0 && this->found && this->length == 255/
{
	this->s1 = copyinstr(self->from + 255);
	this->s2 = strlen(this->s1) == 255 ? copyinstr(self->from + 510) : "";
	this->s3 = strlen(this->s2) == 255 ? copyinstr(self->from + 765) : "";
	this->s4 = strlen(this->s3) == 255 ? copyinstr(self->from + 1020) : "";
	this->s5 = strlen(this->s4) == 255 ? copyinstr(self->from + 1275) : "";
	this->s6 = strlen(this->s5) == 255 ? copyinstr(self->from + 1530) : "";
	this->s7 = strlen(this->s6) == 255 ? copyinstr(self->from + 1785) : "";
	this->s8 = strlen(this->s7) == 255 ? copyinstr(self->from + 2040) : "";
	this->s9 = strlen(this->s8) == 255 ? copyinstr(self->from + 2295) : "";
	this->s10 = strlen(this->s9) == 255 ? copyinstr(self->from + 2550) : "";
	this->s11 = strlen(this->s10) == 255 ? copyinstr(self->from + 2805) : "";
	this->s12 = strlen(this->s11) == 255 ? copyinstr(self->from + 3060) : "";
	this->s13 = strlen(this->s12) == 255 ? copyinstr(self->from + 3315) : "";
	this->s14 = strlen(this->s13) == 255 ? copyinstr(self->from + 3570) : "";
	this->s15 = strlen(this->s14) == 255 ? copyinstr(self->from + 3825) : "";
	this->s16 = strlen(this->s15) == 255 ? copyinstr(self->from + 4080) : "";
	printf("op=more side=from timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

syscall::unlink:return,
syscall::rmdir:return,
syscall::mkdir:return,
syscall::mknod:return,
syscall::truncate:return,
syscall::unlinkat:return,
syscall::mkdirat:return,
syscall::mknodat:return,
syscall::symlink:return,
syscall::symlinkat:return,
syscall::link:return,
syscall::linkat:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
{
	self->path = 0;
	self->from = 0;
	self->dirfd = 0;
	self->fromfd = 0;
	self->flags = 0;
	self->follows = 0;
}

/* --- What makes other directories part of the tree, and what can't be seen. --- */

syscall::mount:return,
syscall::umount:return,
syscall::move_mount:return,
syscall::pivot_root:return
/arg1 == 0/
{
	printf("op=mount execname=%s pid=%d uid=%d zone_name=%s timestamp=%d\n",
	    curthread->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, walltimestamp);
}

/* OPENAT, OPENAT2, RENAMEAT to LINKAT, FTRUNCATE. Once in a row for a process; the reader does the rest. */
sdt:io_uring::io_uring_submit_req
/((uint8_t)arg3 == 18 || (uint8_t)arg3 == 28 || ((uint8_t)arg3 >= 35 && (uint8_t)arg3 <= 39) || (uint8_t)arg3 == 55) &&
    pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1 && blind[(uint32_t)(uint8_t)arg3, (unsigned long)0] != pid/
{
	blind[(uint32_t)(uint8_t)arg3, (unsigned long)0] = pid;
	printf("op=blind opcode=%d execname=%s pid=%d uid=%d zone_name=%s timestamp=%d\n",
	    (uint8_t)arg3, curthread->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, walltimestamp);
}
