/*
 * opens.d: who opens which file, and who tries to.
 *
 * USAGE      dtrace -s opens.d [OUTCOME [PID …]]
 *
 *            OUTCOME 1: only what fails; 2: only what succeeds; 3 or 0, the default: both
 *            PID     only these processes, at most 8; none or 0: all
 *
 * EMITS      one line for each open(2), openat(2), openat2(2) and creat(2) that has returned:
 *
 *     op=openat … errno=0 … text=motd path=etc/motd          opened: `path` is the file itself, from the kernel's tree
 *     op=openat … errno=2 … text=nope path=home/user         failed: `path` is the directory that `text` starts from
 *     op=more … rest=…                                       the rest of a `text` of 255 bytes, after the line that it belongs to
 *     op=mount …                                             the mounts have changed: of the namespace `mntns`, and of those that they spread to
 *     op=blind …                                             an open through io_uring, whose path can't be seen here
 *
 *   execname pid tid uid            who: command, process, thread, real user
 *   zone_id, zone_name              PID namespace (inode number of /proc/PID/ns/pid), UTS node name
 *   init_pid, init_start            the zone's first process: pid, and when it was started (nanoseconds after boot)
 *   timestamp, elapsed              nanoseconds since 1970, at return; how long the call took
 *   fd, errno                       the new descriptor, or -1 and why not
 *   flags, mode                     as passed. For creat, O_CREAT | O_WRONLY | O_TRUNC. `mode` without O_CREAT or O_TMPFILE is noise
 *   dirfd                           as passed, -100 (AT_FDCWD) where the call has none
 *   mntns, mnt                      mount namespace (inode number of /proc/PID/ns/mnt); mount, by its number in /proc/PID/mountinfo
 *   dev, magic, ino                 file system: s_dev (major << 20 | minor) and s_magic (statfs(2)); inode number
 *   unlinked                        1: the file has no name any more, or never had one (O_TMPFILE)
 *   level                           how `path` begins:
 *     level < 200         at the root of the file system, that many names above; `/` is the root itself, any other name at level 0 is that
 *                         of something without a tree: pipe, memfd, …
 *     level 200           the tree is deeper than the walk (24 names): `path` starts in directory `ino`
 *     level 201           nothing was walked: a bad dirfd, a bad or unreadable string, or another thread has closed the descriptor already
 *   text                            the string that was passed, up to 255 bytes
 *
 * CONTROL    the consumer changes the set of processes while the program runs, with a system call that does nothing else:
 *                prctl(0x44545243, 1, PID, yes)           trace this process (yes = 1), or no longer (0). If any PID was given
 *
 * NOT SEEN   32-bit programs on a 64-bit kernel (no system-call tracepoints), open_by_handle_at, what the kernel opens itself
 *            (programs that are executed, their interpreters and core dumps), and the paths of io_uring's operations (noticed:
 *            `blind`). The consumer's own opens are left out.
 *
 * RELIES ON  - curthread->files->fdt->fd[]: what a descriptor stands for; struct file: f_path; curthread->fs: root and pwd.
 *            - struct dentry: d_parent of a file system's root is itself; names are at most 255 bytes (NAME_MAX), so
 *              strings of 256 hold them; one that is in no hash list and no root is unlinked (d_unlinked(), linux/dcache.h).
 *            - struct mount (fs/mount.h) is around the struct vfsmount that a struct path points at.
 *            - a path string's pages, and those of a struct open_how, are resident once the call has returned.
 *
 * HOW LONG   see rescan.d. The walk is one for opened files and for the directories of failed opens. A record costs some 10
 *            microseconds, so each open is one record; those of deep trees are large, hence two sizes.
 *
 * PITFALLS   - Clause-local variables keep the last firing's value: `found` is cleared first, in a clause of its own, and
 *              again while what can fail is done: a failing clause leaves the variables that it had set.
 *            - The first value that a variable is given is its type: 0 is an int, and cuts off what is larger.
 *            - All associative arrays have keys of one shape, and nothing is ever assigned 0: see rescan.d.
 */
/* zdefs: older kernels lack openat2; arm64 lacks open and creat. */
#pragma D option quiet
#pragma D option zdefs
#pragma D option defaultargs
#pragma D option strsize=256

dtrace:::BEGIN
{
	wanted[(uint32_t)0, (unsigned long)0] = 2;
	blind[(uint32_t)0, (unsigned long)0] = (pid_t)1;
}

dtrace:::BEGIN
/$2 != 0/
{
	wanted[(uint32_t)$2, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$3 != 0/
{
	wanted[(uint32_t)$3, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$4 != 0/
{
	wanted[(uint32_t)$4, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$5 != 0/
{
	wanted[(uint32_t)$5, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$6 != 0/
{
	wanted[(uint32_t)$6, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$7 != 0/
{
	wanted[(uint32_t)$7, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$8 != 0/
{
	wanted[(uint32_t)$8, (unsigned long)0] = 1;
}

dtrace:::BEGIN
/$9 != 0/
{
	wanted[(uint32_t)$9, (unsigned long)0] = 1;
}

syscall::prctl:entry
/arg0 == 0x44545243 && arg1 == 1 && pid == $pid/
{
	wanted[(uint32_t)arg2, (unsigned long)0] = arg3 != 0 ? 1 : 2;
}

/* --- At entry: the arguments. The path's string is read at return, when its pages are resident. --- */

syscall::open:entry
/pid != $pid && ($2 == 0 || wanted[(uint32_t)pid, (unsigned long)0] == 1)/
{
	self->start = timestamp;
	self->path = arg0;
	self->dirfd = -100;
	self->flags = arg1 & 0xffffffff;
	self->mode = arg2 & 07777;
}

syscall::openat:entry
/pid != $pid && ($2 == 0 || wanted[(uint32_t)pid, (unsigned long)0] == 1)/
{
	self->start = timestamp;
	self->path = arg1;
	self->dirfd = (int)arg0;
	self->flags = arg2 & 0xffffffff;
	self->mode = arg3 & 07777;
}

/* O_CREAT | O_WRONLY | O_TRUNC */
syscall::creat:entry
/pid != $pid && ($2 == 0 || wanted[(uint32_t)pid, (unsigned long)0] == 1)/
{
	self->start = timestamp;
	self->path = arg0;
	self->dirfd = -100;
	self->flags = 01101;
	self->mode = arg1 & 07777;
}

syscall::openat2:entry
/pid != $pid && ($2 == 0 || wanted[(uint32_t)pid, (unsigned long)0] == 1)/
{
	self->start = timestamp;
	self->path = arg1;
	self->dirfd = (int)arg0;
	self->how = arg2;
}

/* A struct open_how begins with flags and mode, of 64 bits each. 14: EFAULT, 22: EINVAL, when it may be too short. */
syscall::openat2:return
/self->how != 0 && (int)arg1 != -14 && (int)arg1 != -22/
{
	self->flags = *(uint64_t *)copyin(self->how, 8);
	self->mode = *(uint64_t *)copyin(self->how + 8, 8);
}

/* --- At return: where to begin. A file that was opened, or else the directory that the path string starts from. --- */

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
{
	this->found = 0;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/self->start != 0 && ((int)arg1 < 0 ? $1 != 2 : $1 != 1)/
{
	this->elapsed = timestamp - self->start;
	this->now = walltimestamp;
	this->fd = (int)arg1 >= 0 ? (int)arg1 : -1;
	this->errno = (int)arg1 >= 0 ? 0 : -(int)arg1;
	this->text = "";
	this->length = 0;
	this->known = 0;
	this->absolute = 0;
	this->found = 1;
}

/* In a clause of its own: a string that can't be read (14: EFAULT) doesn't cost the rest. */
syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->found && this->errno != 14/
{
	this->text = copyinstr(self->path);
	this->length = strlen(this->text);
	this->absolute = *(char *)copyin(self->path, 1) == '/';
	this->known = 1;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->found/
{
	this->found = 0;
	this->number = this->fd >= 0 ? this->fd : this->known == 0 ? -1 : this->absolute ? -100 : self->dirfd;
	this->file = this->number >= 0 && this->number < curthread->files->fdt->max_fds
	    ? curthread->files->fdt->fd[this->number] : (struct file *)NULL;
	this->at = this->file != NULL ? &this->file->f_path
	    : this->number != -100 ? (struct path *)NULL
	    : this->absolute ? &curthread->fs->root : &curthread->fs->pwd;
	this->pidns = curthread->thread_pid->numbers[curthread->thread_pid->level].ns;
	this->zone = this->pidns->ns.inum;
	this->init = this->pidns->child_reaper;
	this->names = 0;
	this->mnt = 0;
	this->dev = (uint32_t)0;
	this->magic = (uint32_t)0;
	this->ino = (uint64_t)0;
	this->unlinked = 0;
	this->level = 201;
	this->found = 1;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->found && this->at != NULL/
{
	this->found = 0;
	this->d0 = this->at->dentry;
	this->mnt = ((struct mount *)((uintptr_t)this->at->mnt - offsetof(struct mount, mnt)))->mnt_id;
	this->dev = this->d0->d_sb->s_dev;
	this->magic = (uint32_t)this->d0->d_sb->s_magic;
	this->level = (this->d1 = this->d0->d_parent) == this->d0 ? 0
	    : (this->d2 = this->d1->d_parent) == this->d1 ? 1
	    : (this->d3 = this->d2->d_parent) == this->d2 ? 2
	    : (this->d4 = this->d3->d_parent) == this->d3 ? 3
	    : (this->d5 = this->d4->d_parent) == this->d4 ? 4
	    : (this->d6 = this->d5->d_parent) == this->d5 ? 5
	    : (this->d7 = this->d6->d_parent) == this->d6 ? 6
	    : (this->d8 = this->d7->d_parent) == this->d7 ? 7
	    : (this->d9 = this->d8->d_parent) == this->d8 ? 8
	    : (this->d10 = this->d9->d_parent) == this->d9 ? 9
	    : (this->d11 = this->d10->d_parent) == this->d10 ? 10
	    : (this->d12 = this->d11->d_parent) == this->d11 ? 11
	    : (this->d13 = this->d12->d_parent) == this->d12 ? 12
	    : (this->d14 = this->d13->d_parent) == this->d13 ? 13
	    : (this->d15 = this->d14->d_parent) == this->d14 ? 14
	    : (this->d16 = this->d15->d_parent) == this->d15 ? 15
	    : (this->d17 = this->d16->d_parent) == this->d16 ? 16
	    : (this->d18 = this->d17->d_parent) == this->d17 ? 17
	    : (this->d19 = this->d18->d_parent) == this->d18 ? 18
	    : (this->d20 = this->d19->d_parent) == this->d19 ? 19
	    : (this->d21 = this->d20->d_parent) == this->d20 ? 20
	    : (this->d22 = this->d21->d_parent) == this->d21 ? 21
	    : (this->d23 = this->d22->d_parent) == this->d22 ? 22
	    : (this->d24 = this->d23->d_parent) == this->d23 ? 23
	    : (this->d25 = this->d24->d_parent) == this->d24 ? 24
	    : 200;
	this->names = this->level < 100 ? this->level : 24;
	this->unlinked = this->level != 0 && this->d0->d_hash.pprev == NULL ? 1 : 0;
	this->ino = this->level == 200 ? this->d24->d_inode->i_ino : this->d0->d_inode->i_ino;
	this->found = 1;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->found && this->names <= 8/
{
	printf("op=%s execname=%s pid=%d tid=%d uid=%d zone_id=%u zone_name=%s init_pid=%d init_start=%d timestamp=%d elapsed=%d fd=%d errno=%d flags=%u mode=%u dirfd=%d mntns=%u mnt=%d dev=%u magic=%u ino=%u unlinked=%d level=%d text=%s path=%s%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, tid, uid, this->zone,
	    curthread->nsproxy->uts_ns->name.nodename, this->init->tgid, this->init->start_boottime,
	    this->now, this->elapsed,
	    this->fd, this->errno, (uint32_t)self->flags, (uint32_t)self->mode, self->dirfd,
	    curthread->nsproxy->mnt_ns->ns.inum, this->mnt, this->dev, this->magic, this->ino, this->unlinked, this->level, this->text,
	    this->names > 7 ? strjoin(stringof(this->d7->d_name.name), "/") : "",
	    this->names > 6 ? strjoin(stringof(this->d6->d_name.name), "/") : "",
	    this->names > 5 ? strjoin(stringof(this->d5->d_name.name), "/") : "",
	    this->names > 4 ? strjoin(stringof(this->d4->d_name.name), "/") : "",
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->level == 201 ? "" : stringof(this->d0->d_name.name));
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->found && this->names > 8/
{
	printf("op=%s execname=%s pid=%d tid=%d uid=%d zone_id=%u zone_name=%s init_pid=%d init_start=%d timestamp=%d elapsed=%d fd=%d errno=%d flags=%u mode=%u dirfd=%d mntns=%u mnt=%d dev=%u magic=%u ino=%u unlinked=%d level=%d text=%s path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, tid, uid, this->zone,
	    curthread->nsproxy->uts_ns->name.nodename, this->init->tgid, this->init->start_boottime,
	    this->now, this->elapsed,
	    this->fd, this->errno, (uint32_t)self->flags, (uint32_t)self->mode, self->dirfd,
	    curthread->nsproxy->mnt_ns->ns.inum, this->mnt, this->dev, this->magic, this->ino, this->unlinked, this->level, this->text,
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
	    this->level == 201 ? "" : stringof(this->d0->d_name.name));
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->found && this->length == 255/
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
	printf("op=more timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/self->start != 0/
{
	self->start = 0;
	self->path = 0;
	self->dirfd = 0;
	self->flags = 0;
	self->mode = 0;
	self->how = 0;
}

/* --- What makes other paths of the same files, and what can't be seen. --- */

syscall::mount:return,
syscall::umount:return,
syscall::move_mount:return,
syscall::pivot_root:return
/arg1 == 0/
{
	printf("op=mount pid=%d mntns=%u timestamp=%d\n", pid, curthread->nsproxy->mnt_ns->ns.inum, walltimestamp);
}

/* OPENAT, OPENAT2. Once in a row for a process; the reader does the rest. */
sdt:io_uring::io_uring_submit_req
/((uint8_t)arg3 == 18 || (uint8_t)arg3 == 28) && pid != $pid && ($2 == 0 || wanted[(uint32_t)pid, (unsigned long)0] == 1) &&
    blind[(uint32_t)(uint8_t)arg3, (unsigned long)0] != pid/
{
	blind[(uint32_t)(uint8_t)arg3, (unsigned long)0] = pid;
	printf("op=blind opcode=%d execname=%s pid=%d uid=%d timestamp=%d\n",
	    (uint8_t)arg3, curthread->comm, pid, uid, walltimestamp);
}
