/*
 * unlinks.d: who removes which files and directories: unlink, rmdir, and rename over something that was there.
 *
 * USAGE      dtrace -s unlinks.d [OUTCOME [PID [ALL]]]
 *
 *            OUTCOME 1: only calls that failed; 2 or 0, the default: only those that succeeded; 3: both.
 *            PID     Only this process. Default 0: all but the consumer's own.
 *            ALL     1: renames that replaced nothing too. Default 0.
 *
 * EMITS      one line for each call, and more where one isn't enough:
 *
 *     op=unlink side=to … path=srv/a.txt      unlink, unlinkat, rmdir, rename, renameat or renameat2
 *     op=rename side=from … path=srv/b.tmp    after a rename's line, with the same timestamp: what took the place
 *     op=more side=… rest=…                   the rest of a path string over 255 bytes, after the line that it belongs to
 *     op=mount …                              the mounts have changed
 *     op=blind …                              a removal through io_uring, whose path can't be seen here
 *
 *   execname pid tid uid          who: command, process, thread, real user
 *   zone_id zone_name             PID namespace's inode number, UTS node name
 *   init_pid init_start           the namespace's first process, as the host sees it, and when it was started
 *   timestamp                     nanoseconds since 1970
 *   errno                         0, or why it failed
 *   flags, dirfd, fromfd, mntns   numbers from the call, and its mount namespace
 *   found                         2: something was removed; of a rename, 1: not known, 0: nothing was (ALL)
 *   ino mode size nlink           what was removed, 0 where that isn't known. `mode` of a directory is its type alone; nlink
 *                                 is what is left
 *   exact dev base mnt level      how `path` begins: with the names of directories on file system `dev`,
 *     exact 1                     of the one that the removed name was in, whatever the string says of it
 *     exact 0                     of the one that the string starts from: working, root, or dirfd's directory
 *     level < 100                 all of them from the file system's root; there are so many
 *     level 200                   the tree is deeper: the first name is in directory number `base`
 *     mnt                         mount that the string starts on, 0 when it is another file system's
 *
 *   The rest of `path` is what the program passed. With `exact` only its last name counts: the kernel has followed symbolic
 *   links and `..` on the way.
 *
 * HOW        Where there are fbt probes, vfs_unlink(), vfs_rmdir() and vfs_rename() say it outright. Elsewhere it shows in the
 *            inodes: what is removed gets a new ctime, and so do its directory and a renamed inode. From kernel 6.13 on a
 *            tracepoint tells of each (include/trace/events/timestamp.h), on this thread, with the inode at hand and its
 *            names still in place. A renamed inode's name has another hash after the call, since the hash is salted with the
 *            parent (d_move() in fs/dcache.c); of what else was changed, a file is the replaced one, and a directory is when
 *            it had been where the renamed one is now. Two names of each file are compared: of two files that both have
 *            more, `ino` is 0.
 *
 * NOT SEEN   32-bit programs on a 64-bit kernel (no system-call tracepoints), what the kernel's NFS server removes, and the
 *            paths of io_uring's operations (noticed: `blind`).
 *            Without fbt probes: before 6.13, and on file systems that set no ctime (9p, some FUSE), `ino` is 0 and a rename's
 *            `found` is 1. On overlayfs so is that of a rename which replaced a file of a lower layer, or nothing.
 *
 * RELIES ON  - struct inode: i_dentry are the names of it that are in memory; a directory has one. struct dentry: d_parent,
 *              d_name.hash; d_parent of a file system's root is itself.
 *            - vfs_unlink(mnt, dir, dentry, …), vfs_rmdir(mnt, dir, dentry, …), vfs_rename(struct renamedata *): old_dentry and
 *              new_dentry (6.1 to 7.2 agree on that).
 *            - what overlayfs does in the layers below it is done with other credentials (ovl_override_creds()).
 *            - a path's pages are resident once the call has returned; at entry they need not be.
 *            - RENAME_NOREPLACE is 1 and RENAME_EXCHANGE 2, AT_REMOVEDIR 0x200, AT_FDCWD -100, EFAULT 14.
 *
 * PITFALLS   - Clause-local variables keep the last firing's value: each is set before it is read, on every path.
 *            - Thread-local variables take room until they are 0 again: all are cleared at return.
 *            - A removed inode's memory may be another's by the time of the return: what is needed of it is kept before.
 */
/* zdefs: older kernels lack the tracepoints, some have no fbt; arm64 lacks unlink, rmdir and rename. */
#pragma D option quiet
#pragma D option zdefs
#pragma D option defaultargs
#pragma D option strsize=256

/* The directories (g) and files (f) that the call has changed so far. */
uint64_t nodes;
self uint64_t g1;		/* its name: a struct dentry */
self uint32_t g1hash;
self uint64_t g1parent;
self uint64_t g1ino;
self uint64_t g2;
self uint32_t g2hash;
self uint64_t g2parent;
self uint64_t g2ino;
self uint64_t g3;
self uint32_t g3hash;
self uint64_t g3parent;
self uint64_t g3ino;
self uint64_t g4;
self uint32_t g4hash;
self uint64_t g4parent;
self uint64_t g4ino;
self uint64_t f1;		/* itself: a struct inode */
self uint64_t f1name;
self uint32_t f1hash;
self uint64_t f1parent;
self uint64_t f1other;		/* another name of it, if it has one */
self uint32_t f1rehash;
self uint64_t f1reparent;
self uint64_t f1ino;
self int f1mode;
self int64_t f1size;
self uint64_t f2;
self uint64_t f2name;
self uint32_t f2hash;
self uint64_t f2parent;
self uint64_t f2other;
self uint32_t f2rehash;
self uint64_t f2reparent;
self uint64_t f2ino;
self int f2mode;
self int64_t f2size;
self int told;			/* by fbt: 3 nothing, 4 something was there */
self uint64_t gone;
self uint64_t came;
self int directory;
self int flags;

dtrace:::BEGIN
{
	blind = (pid_t)1;
}

/* Where in a struct dentry its inode's list has its node: the member has been called d_u.d_alias and d_alias. A directory has one. */
dtrace:::BEGIN
{
	this->entry = curthread->fs->root.dentry;
	nodes = (uint64_t)this->entry->d_inode->i_dentry.first - (uint64_t)this->entry;
}

syscall::unlink:entry,
syscall::rmdir:entry
/pid != $pid && ($2 == 0 || pid == $2)/
{
	self->path = arg0;
	self->dirfd = -100;
}

syscall::rmdir:entry
/self->path != 0/
{
	self->directory = 1;
}

syscall::unlinkat:entry
/pid != $pid && ($2 == 0 || pid == $2)/
{
	self->path = arg1;
	self->dirfd = (int)arg0;
	self->flags = (int)arg2;
	self->directory = (arg2 & 0x200) != 0;
}

syscall::rename:entry
/pid != $pid && ($2 == 0 || pid == $2)/
{
	self->path = arg1;
	self->dirfd = -100;
	self->from = arg0;
	self->fromfd = -100;
}

syscall::renameat:entry
/pid != $pid && ($2 == 0 || pid == $2)/
{
	self->path = arg3;
	self->dirfd = (int)arg2;
	self->from = arg1;
	self->fromfd = (int)arg0;
}

/* RENAME_NOREPLACE and RENAME_EXCHANGE (1 and 2) remove nothing, whether they succeed or not. */
syscall::renameat2:entry
/(arg4 & 3) == 0 && pid != $pid && ($2 == 0 || pid == $2)/
{
	self->path = arg3;
	self->dirfd = (int)arg2;
	self->from = arg1;
	self->fromfd = (int)arg0;
	self->flags = (int)arg4;
}

/* --- Where there is fbt, the VFS layer has it outright. The outermost call counts: on overlayfs that is its own. --- */

fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry
/self->path != 0 && self->told == 0/
{
	this->entry = (struct dentry *)arg2;
	self->gone = (uint64_t)this->entry->d_parent;
	this->inode = this->entry->d_inode;
	self->told = 2;
}

/* Two names of one file: rename(2) does nothing. */
fbt:vmlinux:vfs_rename:entry
/self->path != 0 && self->told == 0/
{
	this->entry = ((struct renamedata *)arg0)->old_dentry;
	self->came = (uint64_t)this->entry->d_parent;
	this->moves = (uint64_t)this->entry->d_inode;
	this->entry = ((struct renamedata *)arg0)->new_dentry;
	self->gone = (uint64_t)this->entry->d_parent;
	this->inode = this->entry->d_inode;
	self->told = this->inode == 0 || (uint64_t)this->inode == this->moves ? 1 : 2;
}

fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_rename:entry
/self->path != 0 && self->told == 2/
{
	self->f1 = (uint64_t)this->inode;
	self->f1ino = this->inode->i_ino;
	self->f1mode = this->inode->i_mode;
	self->f1size = this->inode->i_size;
	self->told = 4;
}

fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_rename:entry
/self->path != 0 && self->told < 3/
{
	self->told = 3;
}

/* --- Elsewhere: which inodes the call changes, on the way. f1 and f2 are files, g1 to g4 directories. --- */

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0/
{
	this->slot = 0;
	this->inode = (struct inode *)arg0;
	this->alias = (uint64_t)this->inode->i_dentry.first;
}

/* Without a name: it has gone already. With other credentials: the layers below an overlay, whose inodes are not the program's. */
rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->alias != 0 && nodes != 0 &&
    (curthread->cred == curthread->real_cred || this->inode->i_sb->s_magic == 0x794c7630)/
{
	this->alias -= nodes;
	this->entry = (struct dentry *)this->alias;
	this->slot = (this->inode->i_mode & 0170000) == 0040000 ?
	    (self->g1 == 0 ? 1 : self->g1 == this->alias ? 0 :
	    self->g2 == 0 ? 2 : self->g2 == this->alias ? 0 :
	    self->g3 == 0 ? 3 : self->g3 == this->alias ? 0 :
	    self->g4 == 0 ? 4 : 0) :
	    (self->f1 == 0 ? 5 : self->f1 == arg0 ? 0 :
	    self->f2 == 0 ? 6 : 0);
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 1/
{
	self->g1 = this->alias;
	self->g1hash = this->entry->d_name.hash;
	self->g1parent = (uint64_t)this->entry->d_parent;
	self->g1ino = this->inode->i_ino;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 2/
{
	self->g2 = this->alias;
	self->g2hash = this->entry->d_name.hash;
	self->g2parent = (uint64_t)this->entry->d_parent;
	self->g2ino = this->inode->i_ino;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 3/
{
	self->g3 = this->alias;
	self->g3hash = this->entry->d_name.hash;
	self->g3parent = (uint64_t)this->entry->d_parent;
	self->g3ino = this->inode->i_ino;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 4/
{
	self->g4 = this->alias;
	self->g4hash = this->entry->d_name.hash;
	self->g4parent = (uint64_t)this->entry->d_parent;
	self->g4ino = this->inode->i_ino;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 5/
{
	self->f1 = arg0;
	self->f1name = this->alias;
	self->f1hash = this->entry->d_name.hash;
	self->f1parent = (uint64_t)this->entry->d_parent;
	self->f1other = (uint64_t)this->inode->i_dentry.first->next;
	self->f1ino = this->inode->i_ino;
	self->f1mode = this->inode->i_mode;
	self->f1size = this->inode->i_size;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 6/
{
	self->f2 = arg0;
	self->f2name = this->alias;
	self->f2hash = this->entry->d_name.hash;
	self->f2parent = (uint64_t)this->entry->d_parent;
	self->f2other = (uint64_t)this->inode->i_dentry.first->next;
	self->f2ino = this->inode->i_ino;
	self->f2mode = this->inode->i_mode;
	self->f2size = this->inode->i_size;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 5 && self->f1other != 0/
{
	this->entry = (struct dentry *)(self->f1other - nodes);
	self->f1other = (uint64_t)this->entry;
	self->f1rehash = this->entry->d_name.hash;
	self->f1reparent = (uint64_t)this->entry->d_parent;
}

rawtp:timestamp::ctime_ns_xchg,
rawtp:timestamp::ctime_xchg_skip,
rawtp:timestamp::inode_set_ctime_to_ts
/self->path != 0 && self->told == 0 && this->slot == 6 && self->f2other != 0/
{
	this->entry = (struct dentry *)(self->f2other - nodes);
	self->f2other = (uint64_t)this->entry;
	self->f2rehash = this->entry->d_name.hash;
	self->f2reparent = (uint64_t)this->entry->d_parent;
}

/* --- At return: what of it was removed, and the directory that it was in. --- */

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
{
	this->go = 0;
	this->failed = (int)arg1 < 0 ? -(int)arg1 : 0;
	this->ino = (uint64_t)0;
	this->mode = 0;
	this->size = (int64_t)0;
	this->nlink = 0;
	this->which = 0;
	this->top = (uint64_t)0;
	this->old = (uint64_t)0;
	this->found = 2;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && this->failed == 0 && self->told != 0/
{
	this->which = self->told == 4 ? 5 : 0;
	this->found = self->told == 4 ? 2 : 0;
	this->top = self->gone;
	this->old = self->came;
}

/* A removed directory is the one whose parent is the other one that has changed. */
syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return
/self->path != 0 && this->failed == 0 && self->told == 0 && self->directory != 0/
{
	this->which = self->g1 == 0 ? 0
	    : self->g2 == 0 ? (((struct dentry *)self->g1)->d_inode->i_nlink == 0 ? 1 : 0)
	    : self->g1parent == self->g2 ? 1
	    : self->g2parent == self->g1 ? 2
	    : 0;
	this->top = this->which == 1 ? self->g1parent : self->g1;
	this->ino = this->which == 1 ? self->g1ino : this->which == 2 ? self->g2ino : 0;
	this->mode = this->which != 0 ? 0040000 : 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return
/self->path != 0 && this->failed == 0 && self->told == 0 && self->directory == 0/
{
	this->which = self->f1 != 0 ? 5 : 0;
	this->top = self->g1 != 0 ? self->g1 : self->f1 != 0 ? self->f1parent : 0;
}

/* A renamed file is the one whose name has become another. */
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && this->failed == 0 && self->told == 0 && self->f1 != 0/
{
	this->n1 = (struct dentry *)self->f1name;
	this->n2 = (struct dentry *)self->f2name;
	this->n3 = (struct dentry *)self->f1other;
	this->n4 = (struct dentry *)self->f2other;
	this->moved = this->n1->d_name.hash != self->f1hash || (uint64_t)this->n1->d_parent != self->f1parent ? 1
	    : self->f1other == 0 ? 0
	    : this->n3->d_name.hash != self->f1rehash || (uint64_t)this->n3->d_parent != self->f1reparent ? 3
	    : 0;
	this->moved = this->moved != 0 || self->f2 == 0 ? this->moved
	    : this->n2->d_name.hash != self->f2hash || (uint64_t)this->n2->d_parent != self->f2parent ? 2
	    : self->f2other == 0 ? 0
	    : this->n4->d_name.hash != self->f2rehash || (uint64_t)this->n4->d_parent != self->f2reparent ? 4
	    : 0;
	this->old = this->moved == 1 ? self->f1parent
	    : this->moved == 2 ? self->f2parent
	    : this->moved == 3 ? self->f1reparent
	    : this->moved == 4 ? self->f2reparent
	    : self->g2 == 0 ? self->g1 : 0;
	this->top = this->moved == 1 ? (uint64_t)this->n1->d_parent
	    : this->moved == 2 ? (uint64_t)this->n2->d_parent
	    : this->moved == 3 ? (uint64_t)this->n3->d_parent
	    : this->moved == 4 ? (uint64_t)this->n4->d_parent
	    : self->g2 == 0 ? self->g1 : 0;
	this->which = self->f2 == 0 ? (this->moved == 0 && ((struct inode *)self->f1)->i_nlink == 0 ? 5 : 0)
	    : this->moved == 1 || this->moved == 3 ? 6
	    : this->moved == 2 || this->moved == 4 ? 5
	    : ((struct inode *)self->f1)->i_nlink == 0 ? 5
	    : ((struct inode *)self->f2)->i_nlink == 0 ? 6
	    : 0;
	this->found = self->f2 != 0 || this->which != 0 ? 2
	    : this->moved != 0 && this->n1->d_sb->s_magic != 0x794c7630 ? 0
	    : 1;
}

/* A directory: of the others, the replaced one was where the renamed one is now. */
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && this->failed == 0 && self->told == 0 && self->f1 == 0/
{
	this->n1 = (struct dentry *)self->g1;
	this->n2 = (struct dentry *)self->g2;
	this->n3 = (struct dentry *)self->g3;
	this->n4 = (struct dentry *)self->g4;
	this->moved = self->g1 == 0 ? 0
	    : this->n1->d_name.hash != self->g1hash || (uint64_t)this->n1->d_parent != self->g1parent ? 1
	    : self->g2 == 0 ? 0
	    : this->n2->d_name.hash != self->g2hash || (uint64_t)this->n2->d_parent != self->g2parent ? 2
	    : self->g3 == 0 ? 0
	    : this->n3->d_name.hash != self->g3hash || (uint64_t)this->n3->d_parent != self->g3parent ? 3
	    : self->g4 == 0 ? 0
	    : this->n4->d_name.hash != self->g4hash || (uint64_t)this->n4->d_parent != self->g4parent ? 4
	    : 0;
	this->top = this->moved == 1 ? (uint64_t)this->n1->d_parent
	    : this->moved == 2 ? (uint64_t)this->n2->d_parent
	    : this->moved == 3 ? (uint64_t)this->n3->d_parent
	    : this->moved == 4 ? (uint64_t)this->n4->d_parent
	    : 0;
	this->old = this->moved == 1 ? self->g1parent
	    : this->moved == 2 ? self->g2parent
	    : this->moved == 3 ? self->g3parent
	    : this->moved == 4 ? self->g4parent
	    : 0;
	this->which = this->moved == 0 ? 0
	    : this->moved != 1 && self->g1parent == this->top && self->g1 != this->top && self->g1 != this->old ? 1
	    : this->moved != 2 && self->g2parent == this->top && self->g2 != this->top && self->g2 != this->old ? 2
	    : this->moved != 3 && self->g3parent == this->top && self->g3 != this->top && self->g3 != this->old ? 3
	    : this->moved != 4 && self->g4parent == this->top && self->g4 != this->top && self->g4 != this->old ? 4
	    : 0;
	this->ino = this->which == 1 ? self->g1ino
	    : this->which == 2 ? self->g2ino
	    : this->which == 3 ? self->g3ino
	    : this->which == 4 ? self->g4ino
	    : 0;
	this->mode = this->which != 0 ? 0040000 : 0;
	this->found = this->which != 0 ? 2
	    : this->moved != 0 && this->n1->d_sb->s_magic != 0x794c7630 ? 0
	    : 1;
}

/* Its inode may have been freed meanwhile, and be another's: then it has no links left. */
syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && this->which == 5/
{
	this->inode = (struct inode *)self->f1;
	this->ino = self->f1ino;
	this->mode = self->f1mode;
	this->size = self->f1size;
	this->nlink = this->inode->i_ino == this->ino ? this->inode->i_nlink : 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && this->which == 6/
{
	this->inode = (struct inode *)self->f2;
	this->ino = self->f2ino;
	this->mode = self->f2mode;
	this->size = self->f2size;
	this->nlink = this->inode->i_ino == this->ino ? this->inode->i_nlink : 0;
}

/* The directory where it was, or else the one that the path string starts from. EFAULT: there is no string. */
syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && (this->found != 0 || $3 != 0) && (this->failed == 0 ? $1 != 1 : ($1 & 1) != 0 && this->failed != 14)/
{
	this->go = 1;
	this->now = walltimestamp;
	this->zone = curthread->thread_pid->numbers[curthread->thread_pid->level].ns;
	this->init = this->zone->child_reaper;
	this->text = copyinstr(self->path);
	this->length = strlen(this->text);
	this->absolute = *(char *)copyin(self->path, 1) == '/';
	this->file = self->dirfd < 0 ? (struct file *)0 : curthread->files->fdt->fd[self->dirfd];
	this->exact = this->top != 0;
	this->d0 = this->exact ? (struct dentry *)this->top
	    : this->absolute ? curthread->fs->root.dentry
	    : self->dirfd < 0 ? curthread->fs->pwd.dentry
	    : this->file->f_path.dentry;
	this->vfs = this->absolute ? (uint64_t)curthread->fs->root.mnt
	    : self->dirfd < 0 ? (uint64_t)curthread->fs->pwd.mnt
	    : (uint64_t)this->file->f_path.mnt;
	this->mount = (struct mount *)(this->vfs - offsetof(struct mount, mnt));
	this->mnt = this->mount->mnt.mnt_sb == this->d0->d_sb ? this->mount->mnt_id : 0;
	this->dev = this->d0->d_sb->s_dev;
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
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/this->go && this->names <= 6/
{
	printf("op=%s side=to execname=%s pid=%d tid=%d uid=%d zone_id=%u zone_name=%s init_pid=%d init_start=%d timestamp=%d errno=%d flags=%d dirfd=%d mntns=%u found=%d ino=%u mode=%d size=%d nlink=%d exact=%d dev=%d base=%u mnt=%d level=%d path=%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, tid, uid,
	    this->zone->ns.inum,
	    curthread->nsproxy->uts_ns->name.nodename,
	    this->init->tgid, this->init->start_boottime, this->now, this->failed,
	    self->flags, self->dirfd, curthread->nsproxy->mnt_ns->ns.inum,
	    this->found, this->ino, this->mode, this->size, this->nlink, this->exact,
	    this->dev, this->base, this->mnt, this->level,
	    this->names > 5 ? strjoin(stringof(this->d5->d_name.name), "/") : "",
	    this->names > 4 ? strjoin(stringof(this->d4->d_name.name), "/") : "",
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? strjoin(stringof(this->d0->d_name.name), "/") : "",
	    this->text);
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/this->go && this->names > 6/
{
	printf("op=%s side=to execname=%s pid=%d tid=%d uid=%d zone_id=%u zone_name=%s init_pid=%d init_start=%d timestamp=%d errno=%d flags=%d dirfd=%d mntns=%u found=%d ino=%u mode=%d size=%d nlink=%d exact=%d dev=%d base=%u mnt=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    probefunc, curthread->comm, pid, tid, uid,
	    this->zone->ns.inum,
	    curthread->nsproxy->uts_ns->name.nodename,
	    this->init->tgid, this->init->start_boottime, this->now, this->failed,
	    self->flags, self->dirfd, curthread->nsproxy->mnt_ns->ns.inum,
	    this->found, this->ino, this->mode, this->size, this->nlink, this->exact,
	    this->dev, this->base, this->mnt, this->level,
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
	    this->names > 0 ? strjoin(stringof(this->d0->d_name.name), "/") : "",
	    this->text);
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/this->go && this->length == 255/
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

/* What took its place: where that was before. */
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/this->go/
{
	this->text = copyinstr(self->from);
	this->length = strlen(this->text);
	this->absolute = *(char *)copyin(self->from, 1) == '/';
	this->file = self->fromfd < 0 ? (struct file *)0 : curthread->files->fdt->fd[self->fromfd];
	this->exact = this->old != 0;
	this->d0 = this->exact ? (struct dentry *)this->old
	    : this->absolute ? curthread->fs->root.dentry
	    : self->fromfd < 0 ? curthread->fs->pwd.dentry
	    : this->file->f_path.dentry;
	this->vfs = this->absolute ? (uint64_t)curthread->fs->root.mnt
	    : self->fromfd < 0 ? (uint64_t)curthread->fs->pwd.mnt
	    : (uint64_t)this->file->f_path.mnt;
	this->mount = (struct mount *)(this->vfs - offsetof(struct mount, mnt));
	this->mnt = this->mount->mnt.mnt_sb == this->d0->d_sb ? this->mount->mnt_id : 0;
	this->dev = this->d0->d_sb->s_dev;
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
	    : 200;
	this->names = this->level == 200 ? 16 : this->level;
	this->base = this->level == 200 ? this->d16->d_inode->i_ino : 0;
	printf("op=%s side=from timestamp=%d fromfd=%d exact=%d dev=%d base=%u mnt=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    probefunc, this->now, self->fromfd, this->exact, this->dev, this->base, this->mnt, this->level,
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
	    this->names > 0 ? strjoin(stringof(this->d0->d_name.name), "/") : "",
	    this->text);
}

syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/this->go && this->length == 255/
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
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && self->g1 != 0/
{
	self->g1 = 0;
	self->g1hash = 0;
	self->g1parent = 0;
	self->g1ino = 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && self->g2 != 0/
{
	self->g2 = 0;
	self->g2hash = 0;
	self->g2parent = 0;
	self->g2ino = 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && self->g3 != 0/
{
	self->g3 = 0;
	self->g3hash = 0;
	self->g3parent = 0;
	self->g3ino = 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && self->g4 != 0/
{
	self->g4 = 0;
	self->g4hash = 0;
	self->g4parent = 0;
	self->g4ino = 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && self->f1 != 0/
{
	self->f1 = 0;
	self->f1name = 0;
	self->f1hash = 0;
	self->f1parent = 0;
	self->f1ino = 0;
	self->f1mode = 0;
	self->f1size = 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
/self->path != 0 && self->f2 != 0/
{
	self->f2 = 0;
	self->f2name = 0;
	self->f2hash = 0;
	self->f2parent = 0;
	self->f2ino = 0;
	self->f2mode = 0;
	self->f2size = 0;
}

syscall::unlink:return,
syscall::unlinkat:return,
syscall::rmdir:return,
syscall::rename:return,
syscall::renameat:return,
syscall::renameat2:return
{
	self->path = 0;
	self->from = 0;
	self->dirfd = 0;
	self->fromfd = 0;
	self->flags = 0;
	self->directory = 0;
	self->told = 0;
	self->gone = 0;
	self->came = 0;
}

/* --- What changes where things are, and what can't be seen. --- */

syscall::mount:return,
syscall::umount:return,
syscall::move_mount:return,
syscall::pivot_root:return
/arg1 == 0/
{
	printf("op=mount timestamp=%d\n", walltimestamp);
}

/* RENAMEAT and UNLINKAT. Once in a row for a process; the reader does the rest. */
sdt:io_uring::io_uring_submit_req
/((uint8_t)arg3 == 35 || (uint8_t)arg3 == 36) && pid != $pid && ($2 == 0 || pid == $2) && blind != pid/
{
	blind = pid;
	printf("op=blind opcode=%d execname=%s pid=%d uid=%d timestamp=%d\n",
	    (uint8_t)arg3, curthread->comm, pid, uid, walltimestamp);
}
