/*
 * mounts.d: what is mounted, unmounted, moved and changed, by whom, and what came of it.
 *
 * USAGE      dtrace -s mounts.d
 *
 * EMITS      one line for each call, whether it succeeded or failed; before it, what belongs to it, with the same tid and timestamp:
 *
 *     op=mount errno=0 execname=… source=/dev/sdb1 target=/mnt      the call: mount, umount, pivot_root, move_mount, mount_setattr, open_tree,
 *                                                                   open_tree_attr, fspick, fsopen, fsmount
 *     op=fsconfig … flags=1 key=source value=/dev/sdb1              a parameter of a file system context; flags is its command, FSCONFIG_…
 *     op=base side=target from=-100 end=1 path=/srv/a               where the path of that side starts, if that is not simply /
 *     op=more side=target rest=…                                    the rest of a string over 255 bytes: a path, or side=options
 *
 *   errno                                     0, or why it failed
 *   execname pid tid uid                      who: command, process, thread, real user
 *   zone_name zone_id init_pid init_start cgroup    where: UTS node name; inode number of the PID namespace, its first process and when that
 *                                             was started; name of the process' cgroup (v2)
 *   mntns root                                inode numbers of its mount namespace and of its root directory
 *   timestamp                                 nanoseconds since 1970, at return
 *   flags                                     of the call: MS_*, MNT_* and UMOUNT_*, MOVE_MOUNT_*, OPEN_TREE_* and AT_*, FSOPEN_*, …
 *   fstype options source target              strings, as the program passed them. `target` is the only path of calls that have one, and
 *                                             the second of pivot_root.
 *   device mnt_id attached                    a descriptor's mount, as the kernel has it: its source, its number, and whether it was
 *                                             mounted somewhere before (move_mount). fstype is the kernel's then, too.
 *   context                                   a file system context's address: it is the same in all processes and descriptors
 *   attr_set attr_clr propagation             of struct mount_attr; attr_set is fsmount's attributes, too
 *
 *   In base lines `path` is what the kernel's trees of mounts and names say, as the process' mount namespace has it:
 *     from >= 0         the descriptor's directory. A string /proc/self/fd/7 is nothing but that.
 *     from = -100       the working directory; before umount and pivot_root
 *     from = -200       the root directory, where it is not the namespace's
 *     from = -300       there is no more to it: it is where the mount that was moved is (side=target), or was (side=source)
 *     end = 1           up to the namespace's root. 2: up to another root, of another namespace or of mounts that were taken away.
 *                       0: there is more above it, the path is deeper than the walk.
 *
 * NOT SEEN   32-bit programs on a 64-bit kernel (no system-call tracepoints); what the kernel mounts itself (automounts, NFS submounts, the
 *            start of the system); what propagates into peers of the mount; what goes with the last process of a namespace, or with a
 *            descriptor that is closed; unshare(2) and clone(2), which copy all mounts.
 *
 * RELIES ON  - fs/mount.h: struct mount has the struct vfsmount that paths point to inside it; mnt_parent of a mount that is nowhere, or the
 *              root of its namespace, is itself.
 *            - struct dentry: d_parent; names are at most 255 bytes (NAME_MAX). A path string may be 4096 (PATH_MAX), mount's data a page.
 *            - struct fs_context is a context descriptor's private_data; fs/fsopen.c.
 *            - a string's pages are resident once the call has returned; at entry they need not be.
 *
 * HOW LONG   the kernel verifies this in two to three seconds: it takes eight probes through the walks (26 steps, seven mounts). They run only where
 *            something is mounted.
 *
 * PITFALLS   - Clause-local variables keep the last firing's value: each is set before it is read, on every path.
 *            - A variable's first assignment gives it its type: (uint64_t)0, where an address will be in it.
 */
/* zdefs: older kernels lack open_tree_attr (6.15) and mount_setattr (5.12). */
#pragma D option quiet
#pragma D option zdefs
#pragma D option strsize=256

/* --- What is asked for. Of strings the pointers are kept: their pages are resident at return, at entry they need not be. --- */

syscall::mount:entry
{
	self->called = 1;
	self->from = arg0;
	self->fromfd = -100;
	self->path = arg1;
	self->dirfd = -100;
	self->type = arg2;
	self->flags = (unsigned int)arg3;
	self->data = arg4;
}

syscall::umount:entry
{
	self->called = 1;
	self->path = arg0;
	self->dirfd = -100;
	self->flags = (unsigned int)arg1;
}

syscall::pivot_root:entry
{
	self->called = 1;
	self->from = arg0;
	self->fromfd = -100;
	self->path = arg1;
	self->dirfd = -100;
	self->stop = (uint64_t)curthread->fs->root.mnt;
}

/* What either takes away or moves may be the mount of the working directory, and a relative path starts below it. */

syscall::umount:entry,
syscall::pivot_root:entry
{
	this->mnt = (struct mount *)((char *)curthread->fs->pwd.mnt - offsetof(struct mount, mnt));
	self->first = (uint64_t)this->mnt;
	self->parent = (uint64_t)this->mnt->mnt_parent;
	self->point = (uint64_t)this->mnt->mnt_mountpoint;
}

syscall::move_mount:entry
{
	self->called = 1;
	self->fromfd = (int)arg0;
	self->from = arg1;
	self->dirfd = (int)arg2;
	self->path = arg3;
	self->flags = (unsigned int)arg4;
	self->mnt = (uint64_t)0;
}

/* MOVE_MOUNT_F_EMPTY_PATH: the descriptor is the mount. One that has a parent is somewhere already. */

syscall::move_mount:entry
/(self->flags & 4) != 0 && self->fromfd >= 0 && self->fromfd < curthread->files->fdt->max_fds && curthread->files->fdt->fd[self->fromfd] != 0/
{
	this->mnt = (struct mount *)((char *)curthread->files->fdt->fd[self->fromfd]->f_path.mnt - offsetof(struct mount, mnt));
	self->mnt = (uint64_t)this->mnt;
	self->parent = (uint64_t)this->mnt->mnt_parent;
	self->point = (uint64_t)this->mnt->mnt_mountpoint;
	self->attached = this->mnt->mnt_parent != this->mnt ? 1 : 0;
}

syscall::mount_setattr:entry,
syscall::open_tree_attr:entry
{
	self->called = 1;
	self->dirfd = (int)arg0;
	self->path = arg1;
	self->flags = (unsigned int)arg2;
	self->data = arg3;
}

syscall::open_tree:entry,
syscall::fspick:entry
{
	self->called = 1;
	self->dirfd = (int)arg0;
	self->path = arg1;
	self->flags = (unsigned int)arg2;
}

syscall::fsopen:entry
{
	self->called = 1;
	self->type = arg0;
	self->flags = (unsigned int)arg1;
}

syscall::fsconfig:entry
{
	self->called = 1;
	self->dirfd = (int)arg0;
	self->flags = (unsigned int)arg1;
	self->data = arg2;
	self->path = arg3;
	self->aux = (int)arg4;
}

syscall::fsmount:entry
{
	self->called = 1;
	self->dirfd = (int)arg0;
	self->flags = (unsigned int)arg1;
	self->attr = (uint64_t)(unsigned int)arg2;
}

/* --- What came of it. 14: EFAULT, the strings can not be read by the kernel either. --- */

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return,
syscall::fsmount:return,
syscall::fsopen:return,
syscall::fsconfig:return
{
	this->now = walltimestamp;
	this->error = (int)arg1 < 0 ? -(int)arg1 : 0;
	this->source = "";
	this->target = "";
	this->fstype = "";
	this->options = "";
	this->device = "";
	this->mnt_id = 0;
	this->set = (uint64_t)0;
	this->clr = (uint64_t)0;
	this->propagation = (uint64_t)0;
	this->fd = (int)arg1;
	this->context = (uint64_t)0;
	this->file = (struct file *)0;
	this->ns = curthread->thread_pid->numbers[curthread->thread_pid->level].ns;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/self->path != 0 && this->error != 14/
{
	this->target = copyinstr(self->path);
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/self->from != 0 && this->error != 14/
{
	this->source = copyinstr(self->from);
}

syscall::mount:return
/self->type != 0 && this->error != 14/
{
	this->fstype = copyinstr(self->type);
}

syscall::mount:return
/self->data != 0 && this->error != 14/
{
	this->options = copyinstr(self->data);
}

/* struct mount_attr: attr_set, attr_clr, propagation, userns_fd. */

syscall::mount_setattr:return,
syscall::open_tree_attr:return
/self->data != 0 && this->error != 14/
{
	this->set = *(uint64_t *)copyin(self->data, 8);
	this->clr = *(uint64_t *)copyin(self->data + 8, 8);
	this->propagation = *(uint64_t *)copyin(self->data + 16, 8);
}

/* With a path from the descriptor it is another mount; MOVE_MOUNT_SET_GROUP (0x100) moves none. */

syscall::move_mount:return
/strlen(this->source) != 0 || (self->flags & 0x100) != 0/
{
	self->mnt = 0;
	self->attached = 0;
}

/* --- The mount that a descriptor stands for: by its number it is known again, in whichever process and descriptor. --- */

/* Where the descriptor is checked by the kernel first, success says that it is what it should be. 0x1000: AT_EMPTY_PATH. */

syscall::fsmount:return,
syscall::open_tree:return,
syscall::open_tree_attr:return
/this->error == 0/
{
	this->file = curthread->files->fdt->fd[this->fd];
}

syscall::mount_setattr:return
/this->error == 0 && (self->flags & 0x1000) != 0 && self->dirfd >= 0 && strlen(this->target) == 0/
{
	this->file = curthread->files->fdt->fd[self->dirfd];
}

syscall::fsmount:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::mount_setattr:return
/this->file != 0/
{
	self->mnt = (uint64_t)((char *)this->file->f_path.mnt - offsetof(struct mount, mnt));
}

syscall::fsmount:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::mount_setattr:return,
syscall::move_mount:return
/self->mnt != 0/
{
	this->mnt = (struct mount *)self->mnt;
	this->mnt_id = this->mnt->mnt_id;
	this->device = this->mnt->mnt_devname != 0 ? stringof(this->mnt->mnt_devname) : "";
	this->fstype = stringof(this->mnt->mnt.mnt_sb->s_type->name);
}

/* A file system context, by its address. */

syscall::fsmount:return,
syscall::fsconfig:return
/self->dirfd >= 0 && self->dirfd < curthread->files->fdt->max_fds && curthread->files->fdt->fd[self->dirfd] != 0/
{
	this->context = (uint64_t)curthread->files->fdt->fd[self->dirfd]->private_data;
}

syscall::fsopen:return,
syscall::fspick:return
/this->error == 0/
{
	this->context = (uint64_t)curthread->files->fdt->fd[this->fd]->private_data;
}

syscall::fsopen:return,
syscall::fspick:return,
syscall::fsconfig:return
/this->error == 0 && this->context != 0/
{
	this->fstype = stringof(((struct fs_context *)this->context)->fs_type->name);
}

syscall::fsconfig:return
/this->error == 0 && this->context != 0 && ((struct fs_context *)this->context)->source != 0/
{
	this->device = stringof(((struct fs_context *)this->context)->source);
}

/* --- Where the path of the target starts. --- */

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
{
	this->number = -1;
	this->at = 0;
	this->length = strlen(this->target);
	this->lead = this->length > 0 ? *(char *)copyin(self->path, 1) : 0;
}

/* /proc/self/fd/7 and /proc/thread-self/fd/7, as container runtimes and systemd name what they have checked: the descriptor. */

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->length > 14 && this->length < 25/
{
	this->word = *(uint64_t *)copyin(self->path + 8, 8);
	this->at = *(uint64_t *)copyin(self->path, 8) == 0x65732f636f72702f && (this->word & 0xffffffffffff) == 0x2f64662f666c ? 14 : 0;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->length > 21 && this->length < 25 && this->word == 0x6c65732d64616572/
{
	this->at = *(uint64_t *)copyin(self->path, 8) == 0x68742f636f72702f && (*(uint64_t *)copyin(self->path + 15, 8) & 0xffffffffffff) == 0x2f64662f666c ? 21 : 0;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->at > 0 && this->length - this->at < 4/
{
	this->number = *(char *)copyin(self->path + this->at, 1) - 48;
	this->number = this->length - this->at > 1 ? this->number * 10 + *(char *)copyin(self->path + this->at + 1, 1) - 48 : this->number;
	this->number = this->length - this->at > 2 ? this->number * 10 + *(char *)copyin(self->path + this->at + 2, 1) - 48 : this->number;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
{
	this->number = this->number >= 0 ? this->number : this->lead == 47 ? -200 : self->dirfd == -100 ? -100 : self->dirfd;
	this->d = this->number == -200 ? curthread->fs->root.dentry : this->number == -100 ? curthread->fs->pwd.dentry : (struct dentry *)0;
	this->vfs = this->number == -200 ? curthread->fs->root.mnt : this->number == -100 ? curthread->fs->pwd.mnt : (struct vfsmount *)0;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->number >= 0 && this->number < curthread->files->fdt->max_fds && curthread->files->fdt->fd[this->number] != 0/
{
	this->d = curthread->files->fdt->fd[this->number]->f_path.dentry;
	this->vfs = curthread->files->fdt->fd[this->number]->f_path.mnt;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->d != 0/
{
	this->m = (struct mount *)((char *)this->vfs - offsetof(struct mount, mnt));
}

/* Better, where the mount is at hand: where it is now. */

syscall::move_mount:return
/this->error == 0 && self->mnt != 0/
{
	this->number = -300;
	this->d = ((struct mount *)self->mnt)->mnt_mountpoint;
	this->m = ((struct mount *)self->mnt)->mnt_parent;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
{
	this->some = 0;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->d != 0/
{
	this->stop = self->stop != 0 ? self->stop - offsetof(struct mount, mnt) : 0;
	this->root = this->m->mnt.mnt_root;
	this->n0 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n0 == 0 ? this->d : this->d->d_parent;
	this->n1 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n1 == 0 ? this->d : this->d->d_parent;
	this->n2 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n2 == 0 ? this->d : this->d->d_parent;
	this->n3 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n3 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n4 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n4 == 0 ? this->d : this->d->d_parent;
	this->n5 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n5 == 0 ? this->d : this->d->d_parent;
	this->n6 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n6 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n7 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n7 == 0 ? this->d : this->d->d_parent;
	this->n8 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n8 == 0 ? this->d : this->d->d_parent;
	this->n9 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n9 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n10 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n10 == 0 ? this->d : this->d->d_parent;
	this->n11 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n11 == 0 ? this->d : this->d->d_parent;
	this->n12 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n12 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n13 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n13 == 0 ? this->d : this->d->d_parent;
	this->n14 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n14 == 0 ? this->d : this->d->d_parent;
	this->n15 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n15 == 0 ? this->d : this->d->d_parent;
	this->n16 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n16 == 0 ? this->d : this->d->d_parent;
	this->n17 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n17 == 0 ? this->d : this->d->d_parent;
	this->n18 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n18 == 0 ? this->d : this->d->d_parent;
	this->n19 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n19 == 0 ? this->d : this->d->d_parent;
	this->n20 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n20 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n21 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n21 == 0 ? this->d : this->d->d_parent;
	this->n22 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n22 == 0 ? this->d : this->d->d_parent;
	this->n23 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n23 == 0 ? this->d : this->d->d_parent;
	this->n24 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n24 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n25 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n25 == 0 ? this->d : this->d->d_parent;
	this->end = this->d != this->root ? 0 : (uint64_t)this->m == this->stop || (this->m->mnt_parent == this->m && this->m->mnt_ns == curthread->nsproxy->mnt_ns) ? 1 : this->m->mnt_parent == this->m ? 2 : 0;
	this->some = this->end != 1 || this->number == -300 || this->number >= 0 || this->n0 != 0 || this->n4 != 0;
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->some/
{
	printf("op=base side=%s tid=%d timestamp=%d from=%d end=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    "target", tid, this->now, this->number, this->end,
	    this->n25 != 0 ? strjoin("/", stringof(this->n25->d_name.name)) : "",
	    this->n24 != 0 ? strjoin("/", stringof(this->n24->d_name.name)) : "",
	    this->n23 != 0 ? strjoin("/", stringof(this->n23->d_name.name)) : "",
	    this->n22 != 0 ? strjoin("/", stringof(this->n22->d_name.name)) : "",
	    this->n21 != 0 ? strjoin("/", stringof(this->n21->d_name.name)) : "",
	    this->n20 != 0 ? strjoin("/", stringof(this->n20->d_name.name)) : "",
	    this->n19 != 0 ? strjoin("/", stringof(this->n19->d_name.name)) : "",
	    this->n18 != 0 ? strjoin("/", stringof(this->n18->d_name.name)) : "",
	    this->n17 != 0 ? strjoin("/", stringof(this->n17->d_name.name)) : "",
	    this->n16 != 0 ? strjoin("/", stringof(this->n16->d_name.name)) : "",
	    this->n15 != 0 ? strjoin("/", stringof(this->n15->d_name.name)) : "",
	    this->n14 != 0 ? strjoin("/", stringof(this->n14->d_name.name)) : "",
	    this->n13 != 0 ? strjoin("/", stringof(this->n13->d_name.name)) : "",
	    this->n12 != 0 ? strjoin("/", stringof(this->n12->d_name.name)) : "",
	    this->n11 != 0 ? strjoin("/", stringof(this->n11->d_name.name)) : "",
	    this->n10 != 0 ? strjoin("/", stringof(this->n10->d_name.name)) : "",
	    this->n9 != 0 ? strjoin("/", stringof(this->n9->d_name.name)) : "",
	    this->n8 != 0 ? strjoin("/", stringof(this->n8->d_name.name)) : "",
	    this->n7 != 0 ? strjoin("/", stringof(this->n7->d_name.name)) : "",
	    this->n6 != 0 ? strjoin("/", stringof(this->n6->d_name.name)) : "",
	    this->n5 != 0 ? strjoin("/", stringof(this->n5->d_name.name)) : "",
	    this->n4 != 0 ? strjoin("/", stringof(this->n4->d_name.name)) : "",
	    this->n3 != 0 ? strjoin("/", stringof(this->n3->d_name.name)) : "",
	    this->n2 != 0 ? strjoin("/", stringof(this->n2->d_name.name)) : "",
	    this->n1 != 0 ? strjoin("/", stringof(this->n1->d_name.name)) : "",
	    this->n0 != 0 ? strjoin("/", stringof(this->n0->d_name.name)) : "");
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return
/this->length == 255/
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
	printf("op=more side=%s tid=%d timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", "target", tid, this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

/* --- Where the path of the source starts. --- */

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
{
	this->number = -1;
	this->at = 0;
	this->length = strlen(this->source);
	this->lead = this->length > 0 ? *(char *)copyin(self->from, 1) : 0;
}

/* /proc/self/fd/7 and /proc/thread-self/fd/7, as container runtimes and systemd name what they have checked: the descriptor. */

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->length > 14 && this->length < 25/
{
	this->word = *(uint64_t *)copyin(self->from + 8, 8);
	this->at = *(uint64_t *)copyin(self->from, 8) == 0x65732f636f72702f && (this->word & 0xffffffffffff) == 0x2f64662f666c ? 14 : 0;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->length > 21 && this->length < 25 && this->word == 0x6c65732d64616572/
{
	this->at = *(uint64_t *)copyin(self->from, 8) == 0x68742f636f72702f && (*(uint64_t *)copyin(self->from + 15, 8) & 0xffffffffffff) == 0x2f64662f666c ? 21 : 0;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->at > 0 && this->length - this->at < 4/
{
	this->number = *(char *)copyin(self->from + this->at, 1) - 48;
	this->number = this->length - this->at > 1 ? this->number * 10 + *(char *)copyin(self->from + this->at + 1, 1) - 48 : this->number;
	this->number = this->length - this->at > 2 ? this->number * 10 + *(char *)copyin(self->from + this->at + 2, 1) - 48 : this->number;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
{
	this->number = this->number >= 0 ? this->number : this->lead == 47 ? -200 : self->fromfd == -100 ? -100 : self->fromfd;
	this->d = this->number == -200 ? curthread->fs->root.dentry : this->number == -100 ? curthread->fs->pwd.dentry : (struct dentry *)0;
	this->vfs = this->number == -200 ? curthread->fs->root.mnt : this->number == -100 ? curthread->fs->pwd.mnt : (struct vfsmount *)0;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->number >= 0 && this->number < curthread->files->fdt->max_fds && curthread->files->fdt->fd[this->number] != 0/
{
	this->d = curthread->files->fdt->fd[this->number]->f_path.dentry;
	this->vfs = curthread->files->fdt->fd[this->number]->f_path.mnt;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->d != 0/
{
	this->m = (struct mount *)((char *)this->vfs - offsetof(struct mount, mnt));
}

/* What was moved: where it was. */

syscall::move_mount:return
/self->attached/
{
	this->number = -300;
	this->d = (struct dentry *)self->point;
	this->m = (struct mount *)self->parent;
}

/* The source of a new file system is no path: only of MS_BIND and MS_MOVE. */

syscall::mount:return
/(self->flags & 0x3000) == 0 || (self->flags & 0x20) != 0/
{
	this->d = (struct dentry *)0;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
{
	this->some = 0;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->d != 0/
{
	this->stop = self->stop != 0 ? self->stop - offsetof(struct mount, mnt) : 0;
	this->root = this->m->mnt.mnt_root;
	this->n0 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n0 == 0 ? this->d : this->d->d_parent;
	this->n1 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n1 == 0 ? this->d : this->d->d_parent;
	this->n2 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n2 == 0 ? this->d : this->d->d_parent;
	this->n3 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n3 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n4 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n4 == 0 ? this->d : this->d->d_parent;
	this->n5 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n5 == 0 ? this->d : this->d->d_parent;
	this->n6 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n6 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n7 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n7 == 0 ? this->d : this->d->d_parent;
	this->n8 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n8 == 0 ? this->d : this->d->d_parent;
	this->n9 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n9 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n10 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n10 == 0 ? this->d : this->d->d_parent;
	this->n11 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n11 == 0 ? this->d : this->d->d_parent;
	this->n12 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n12 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n13 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n13 == 0 ? this->d : this->d->d_parent;
	this->n14 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n14 == 0 ? this->d : this->d->d_parent;
	this->n15 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n15 == 0 ? this->d : this->d->d_parent;
	this->n16 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n16 == 0 ? this->d : this->d->d_parent;
	this->n17 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n17 == 0 ? this->d : this->d->d_parent;
	this->n18 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n18 == 0 ? this->d : this->d->d_parent;
	this->n19 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n19 == 0 ? this->d : this->d->d_parent;
	this->n20 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n20 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n21 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n21 == 0 ? this->d : this->d->d_parent;
	this->n22 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n22 == 0 ? this->d : this->d->d_parent;
	this->n23 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n23 == 0 ? this->d : this->d->d_parent;
	this->n24 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n24 == 0 ? this->d : this->d->d_parent;
	this->u = (uint64_t)this->m;
	this->m = this->d != this->root || this->u == this->stop ? this->m : this->u == self->first ? (struct mount *)self->parent : this->m->mnt_parent;
	this->d = this->d != this->root || this->u == this->stop ? this->d : this->u == self->first ? (struct dentry *)self->point : ((struct mount *)this->u)->mnt_mountpoint;
	this->root = this->m->mnt.mnt_root;
	this->n25 = this->d == this->root ? (struct dentry *)0 : this->d;
	this->d = this->n25 == 0 ? this->d : this->d->d_parent;
	this->end = this->d != this->root ? 0 : (uint64_t)this->m == this->stop || (this->m->mnt_parent == this->m && this->m->mnt_ns == curthread->nsproxy->mnt_ns) ? 1 : this->m->mnt_parent == this->m ? 2 : 0;
	this->some = this->end != 1 || this->number == -300 || this->number >= 0 || this->n0 != 0 || this->n4 != 0;
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->some/
{
	printf("op=base side=%s tid=%d timestamp=%d from=%d end=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    "source", tid, this->now, this->number, this->end,
	    this->n25 != 0 ? strjoin("/", stringof(this->n25->d_name.name)) : "",
	    this->n24 != 0 ? strjoin("/", stringof(this->n24->d_name.name)) : "",
	    this->n23 != 0 ? strjoin("/", stringof(this->n23->d_name.name)) : "",
	    this->n22 != 0 ? strjoin("/", stringof(this->n22->d_name.name)) : "",
	    this->n21 != 0 ? strjoin("/", stringof(this->n21->d_name.name)) : "",
	    this->n20 != 0 ? strjoin("/", stringof(this->n20->d_name.name)) : "",
	    this->n19 != 0 ? strjoin("/", stringof(this->n19->d_name.name)) : "",
	    this->n18 != 0 ? strjoin("/", stringof(this->n18->d_name.name)) : "",
	    this->n17 != 0 ? strjoin("/", stringof(this->n17->d_name.name)) : "",
	    this->n16 != 0 ? strjoin("/", stringof(this->n16->d_name.name)) : "",
	    this->n15 != 0 ? strjoin("/", stringof(this->n15->d_name.name)) : "",
	    this->n14 != 0 ? strjoin("/", stringof(this->n14->d_name.name)) : "",
	    this->n13 != 0 ? strjoin("/", stringof(this->n13->d_name.name)) : "",
	    this->n12 != 0 ? strjoin("/", stringof(this->n12->d_name.name)) : "",
	    this->n11 != 0 ? strjoin("/", stringof(this->n11->d_name.name)) : "",
	    this->n10 != 0 ? strjoin("/", stringof(this->n10->d_name.name)) : "",
	    this->n9 != 0 ? strjoin("/", stringof(this->n9->d_name.name)) : "",
	    this->n8 != 0 ? strjoin("/", stringof(this->n8->d_name.name)) : "",
	    this->n7 != 0 ? strjoin("/", stringof(this->n7->d_name.name)) : "",
	    this->n6 != 0 ? strjoin("/", stringof(this->n6->d_name.name)) : "",
	    this->n5 != 0 ? strjoin("/", stringof(this->n5->d_name.name)) : "",
	    this->n4 != 0 ? strjoin("/", stringof(this->n4->d_name.name)) : "",
	    this->n3 != 0 ? strjoin("/", stringof(this->n3->d_name.name)) : "",
	    this->n2 != 0 ? strjoin("/", stringof(this->n2->d_name.name)) : "",
	    this->n1 != 0 ? strjoin("/", stringof(this->n1->d_name.name)) : "",
	    this->n0 != 0 ? strjoin("/", stringof(this->n0->d_name.name)) : "");
}

syscall::mount:return,
syscall::pivot_root:return,
syscall::move_mount:return
/this->length == 255/
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
	printf("op=more side=%s tid=%d timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", "source", tid, this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

/* --- What is longer than a string here. --- */

syscall::mount:return
/self->data != 0 && strlen(this->options) == 255/
{
	this->s1 = copyinstr(self->data + 255);
	this->s2 = strlen(this->s1) == 255 ? copyinstr(self->data + 510) : "";
	this->s3 = strlen(this->s2) == 255 ? copyinstr(self->data + 765) : "";
	this->s4 = strlen(this->s3) == 255 ? copyinstr(self->data + 1020) : "";
	this->s5 = strlen(this->s4) == 255 ? copyinstr(self->data + 1275) : "";
	this->s6 = strlen(this->s5) == 255 ? copyinstr(self->data + 1530) : "";
	this->s7 = strlen(this->s6) == 255 ? copyinstr(self->data + 1785) : "";
	this->s8 = strlen(this->s7) == 255 ? copyinstr(self->data + 2040) : "";
	this->s9 = strlen(this->s8) == 255 ? copyinstr(self->data + 2295) : "";
	this->s10 = strlen(this->s9) == 255 ? copyinstr(self->data + 2550) : "";
	this->s11 = strlen(this->s10) == 255 ? copyinstr(self->data + 2805) : "";
	this->s12 = strlen(this->s11) == 255 ? copyinstr(self->data + 3060) : "";
	this->s13 = strlen(this->s12) == 255 ? copyinstr(self->data + 3315) : "";
	this->s14 = strlen(this->s13) == 255 ? copyinstr(self->data + 3570) : "";
	this->s15 = strlen(this->s14) == 255 ? copyinstr(self->data + 3825) : "";
	this->s16 = strlen(this->s15) == 255 ? copyinstr(self->data + 4080) : "";
	printf("op=more side=%s tid=%d timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", "options", tid, this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

/* --- The call itself, after what belongs to it. --- */

syscall::fsopen:return
/self->type != 0 && this->error != 14/
{
	this->fstype = copyinstr(self->type);
}

syscall::fsconfig:return
/self->data != 0 && this->error != 14/
{
	this->source = copyinstr(self->data);
}

/* FSCONFIG_SET_STRING, _PATH and _PATH_EMPTY have a string for a value. */

syscall::fsconfig:return
/(self->flags == 1 || self->flags == 3 || self->flags == 4) && self->path != 0 && this->error != 14/
{
	this->target = copyinstr(self->path);
}

syscall::fsconfig:return
/(self->flags == 3 || self->flags == 4) && strlen(this->target) == 255/
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
	printf("op=more side=%s tid=%d timestamp=%d rest=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n", "value", tid, this->now,
	    this->s1, this->s2, this->s3, this->s4, this->s5, this->s6, this->s7, this->s8, this->s9, this->s10, this->s11, this->s12, this->s13, this->s14, this->s15, this->s16);
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return,
syscall::fsmount:return,
syscall::fsopen:return
/self->called/
{
	printf("op=%s errno=%d execname=%s pid=%d tid=%d uid=%d zone_name=%s zone_id=%u init_pid=%d init_start=%d cgroup=%s mntns=%u root=%d timestamp=%d flags=%#x fstype=%s options=%s device=%s mnt_id=%d attached=%d context=%#x attr_set=%#x attr_clr=%#x propagation=%#x fromfd=%d dirfd=%d source=%s target=%s\n",
	    probefunc, this->error, curthread->comm, pid, tid, uid, curthread->nsproxy->uts_ns->name.nodename,
	    this->ns->ns.inum, this->ns->child_reaper->tgid, this->ns->child_reaper->start_boottime,
	    stringof(curthread->cgroups->dfl_cgrp->kn->name), curthread->nsproxy->mnt_ns->ns.inum,
	    curthread->fs->root.dentry->d_inode->i_ino, this->now,
	    self->flags, this->fstype, this->options, this->device, this->mnt_id, self->attached, this->context,
	    this->set | self->attr, this->clr, this->propagation, self->fromfd, self->dirfd, this->source, this->target);
}

syscall::fsconfig:return
/self->called/
{
	printf("op=%s errno=%d execname=%s pid=%d tid=%d uid=%d zone_name=%s zone_id=%u init_pid=%d init_start=%d cgroup=%s mntns=%u root=%d timestamp=%d flags=%d fstype=%s device=%s context=%#x aux=%d key=%s value=%s\n",
	    probefunc, this->error, curthread->comm, pid, tid, uid, curthread->nsproxy->uts_ns->name.nodename,
	    this->ns->ns.inum, this->ns->child_reaper->tgid, this->ns->child_reaper->start_boottime,
	    stringof(curthread->cgroups->dfl_cgrp->kn->name), curthread->nsproxy->mnt_ns->ns.inum,
	    curthread->fs->root.dentry->d_inode->i_ino, this->now,
	    self->flags, this->fstype, this->device, this->context, self->aux, this->source, this->target);
}

syscall::mount:return,
syscall::umount:return,
syscall::pivot_root:return,
syscall::move_mount:return,
syscall::mount_setattr:return,
syscall::open_tree:return,
syscall::open_tree_attr:return,
syscall::fspick:return,
syscall::fsmount:return,
syscall::fsopen:return,
syscall::fsconfig:return
{
	self->called = 0;
	self->path = 0;
	self->from = 0;
	self->dirfd = 0;
	self->fromfd = 0;
	self->type = 0;
	self->data = 0;
	self->flags = 0;
	self->aux = 0;
	self->attr = 0;
	self->mnt = 0;
	self->attached = 0;
	self->first = 0;
	self->parent = 0;
	self->point = 0;
	self->stop = 0;
}
