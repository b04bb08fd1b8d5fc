/*
 * unlinks-pins.d: which files are opened for writing or created, to be held before they can be removed.
 *
 * USAGE      dtrace -s unlinks-pins.d
 *
 * EMITS      one line for each regular file that was opened so:
 *
 *     op=pin pid=… timestamp=… fd=… ino=… dev=… base=… mnt=… mntns=… level=… path=srv/a.txt
 *
 *   path is the file's, from its file system's root; level, base, dev, mnt and mntns are as in unlinks.d.
 *
 * NOT SEEN   what unlinks.d doesn't see; files that are only read, or that come to be by link(2).
 *
 * RELIES ON  - curthread->files->fdt->fd[]: what a descriptor stands for; struct file: f_mode, f_flags, f_path.
 *            - FMODE_CREATED | FMODE_WRITE is 0x100002; O_TMPFILE 020000000: a file without a name.
 *
 * PITFALLS   - Clause-local variables keep the last firing's value: each is set before it is read, on every path.
 *            - A failing clause leaves the variables that it had set: `pins` is cleared first.
 */
#pragma D option quiet
#pragma D option zdefs
#pragma D option defaultargs
#pragma D option strsize=256

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
{
	this->pins = 0;
	this->pinfd = (int)arg1;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->pinfd >= 0 && pid != $pid/
{
	this->file = curthread->files->fdt->fd[this->pinfd];
	this->d0 = this->file->f_path.dentry;
	this->pins = (this->file->f_mode & 0x100002) != 0 && (this->file->f_flags & 020000000) == 0 &&
	    (this->d0->d_inode->i_mode & 0170000) == 0100000;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->pins/
{
	this->pins = 0;
	this->mount = (struct mount *)((uint64_t)this->file->f_path.mnt - offsetof(struct mount, mnt));
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
	    : 200;
	this->names = this->level == 200 ? 24 : this->level;
	this->base = this->level == 200 ? this->d24->d_inode->i_ino : 0;
	this->pins = 1;
}

syscall::open:return,
syscall::openat:return,
syscall::openat2:return,
syscall::creat:return
/this->pins/
{
	printf("op=pin pid=%d timestamp=%d fd=%d ino=%u dev=%d base=%u mnt=%d mntns=%u level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    pid, walltimestamp, this->pinfd, this->d0->d_inode->i_ino, this->d0->d_sb->s_dev, this->base,
	    this->mount->mnt_id, curthread->nsproxy->mnt_ns->ns.inum, this->level,
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
