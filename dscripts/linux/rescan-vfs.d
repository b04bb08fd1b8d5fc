/*
 * rescan-vfs.d: what changes below the directories that it is given, and who changes it: rescan.d by other means. It probes
 * the functions of the kernel's VFS layer, through which every change goes, and so sees exact dentries whoever makes it: a
 * system call of 64 or 32 bits, io_uring, the NFS server.
 *
 * USAGE      dtrace -s rescan-vfs.d DEV INO [DEV INO …]        (up to 8 pairs, as rescan.d takes them)
 *
 * EMITS      one line for each change that succeeded, with the fields of rescan.d's line for an open file; `fd` is -1:
 *
 *     op=open … path=Album/track.flac        open, creat, truncate, unlink, rmdir, mkdir, mknod, symlink, link
 *     op=rename … moved=INO … path=old       what a rename moved away, where that is below a watched directory
 *     op=rename … replaced=INO … path=new    what it became, with the same timestamp after it: always after the first
 *                                            one, alone where only this side is below a watched directory
 *     op=mount …                             the mounts have changed
 *
 *   level < 100 and level 200 are as in rescan.d; 100 <= level < 200 (outside, the path starts at the file system's root)
 *   comes only for the new side of a rename. All paths are exact: they come from dentries.
 *
 *   execname   the process' name where one of its io_uring workers did it; nfsd for the NFS server
 *   op=creat   creat(2), or a file that was created without being opened (by the NFS server)
 *
 * CONTROL    as in rescan.d.
 *
 * NOT SEEN   writes through descriptors opened before the program started; mounts by 32-bit programs.
 *
 * RELIES ON  - fbt probes with the functions' arguments. Linux 6.1, 6.12 and 7.2 (by their BTF) agree on
 *                do_dentry_open(file, …)                     at entry file->f_path and f_mode are set
 *                notify_change(mnt, dentry, attr, …)         every change of a file's size, with ATTR_SIZE
 *                vfs_unlink, vfs_rmdir, vfs_mkdir, vfs_mknod, vfs_symlink(mnt, dir, dentry, …)
 *                vfs_link(old dentry, mnt, dir, dentry, …), vfs_rename(struct renamedata *)
 *              and not on vfs_create, see there. None is `static`: all are called from other files, so none is inlined
 *              altogether.
 *            - The caller holds the dentries until after the return. One that was removed keeps its name and parent.
 *            - A dentry's parent is never NULL; a file system's root is its own.
 *            - Calls nest, in the same thread, where one file system lies upon another: overlayfs calls the same functions
 *              for the one below. At most three deep (FILESYSTEM_MAX_STACK_DEPTH is 2).
 *
 * HOW LONG   see rescan.d. What a rename needs to know of the old name is found at entry, and of the new one at return,
 *            since one program for both would be more than the kernel is willing to verify (a million instructions, or 8192
 *            jumps).
 *
 * PITFALLS   those of rescan.d, and:
 *            - An entry that isn't of interest costs next to nothing, as nothing is kept of it; but within another call,
 *              which is kept, it has to be counted, or its return would be taken for that one's.
 */
/* zdefs: arm64 lacks creat and mknod. Whether the functions are there is for the reader to find out. */
#pragma D option quiet
#pragma D option zdefs
#pragma D option defaultargs
#pragma D option strsize=256

/*
 * Calls under way in this thread, counted from the outermost that is of interest; and of each what its return needs. Three are
 * the most: file systems are stacked two deep on a third (FILESYSTEM_MAX_STACK_DEPTH, include/linux/fs.h). A fourth says
 * that returns were missed, and the count begins anew.
 */
self int depth;
self struct dentry *d1;
self unsigned long about1;
self struct dentry *from1;
self int level1;
self unsigned long top1;
self unsigned long moved1;
self string name1;
self struct dentry *d2;
self unsigned long about2;
self struct dentry *from2;
self int level2;
self unsigned long top2;
self unsigned long moved2;
self string name2;
self struct dentry *d3;
self unsigned long about3;
self struct dentry *from3;
self int level3;
self unsigned long top3;
self unsigned long moved3;
self string name3;

/* 1: creat, 2: mknod */
self int call;

this unsigned long about;
this unsigned long ino;
this int level;
this struct dentry *d0;
this struct dentry *d1;
this struct dentry *d2;
this struct dentry *d3;
this struct dentry *d4;
this struct dentry *d5;
this struct dentry *d6;
this struct dentry *d7;
this struct dentry *d8;
this struct dentry *d9;
this struct dentry *d10;
this struct dentry *d11;
this struct dentry *d12;
this struct dentry *d13;
this struct dentry *d14;
this struct dentry *d15;
this struct dentry *d16;
this struct dentry *d17;
this struct dentry *d18;
this struct dentry *d19;
this struct dentry *d20;
this struct dentry *d21;
this struct dentry *d22;
this struct dentry *d23;
this struct dentry *d24;

dtrace:::BEGIN
{
	ignored[(uint32_t)0, (unsigned long)0] = 2;
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

/* --- Which system call it is, where its function does not tell. --- */

syscall::creat:entry
{
	self->call = 1;
}

syscall::mknod:entry,
syscall::mknodat:entry
{
	self->call = 2;
}

syscall::creat:return,
syscall::mknod:return,
syscall::mknodat:return
{
	self->call = 0;
}

/* --- Entry: the dentry, and whether it is of interest. `about` is what the return will need to know besides. --- */

/* 0x100002: FMODE_CREATED | FMODE_WRITE; 020000000: O_TMPFILE, a file without a name. */
fbt:vmlinux:do_dentry_open:entry
{
	this->file = (struct file *)arg0;
	this->d0 = this->file->f_path.dentry;
	this->wants = (this->file->f_mode & 0x100002) != 0 && (this->file->f_flags & 020000000) == 0;
	this->about = 0;
}

/* A new size: ATTR_SIZE (8). With ATTR_OPEN (0x8000) it is O_TRUNC, which counts where the open itself (ia_file) doesn't. */
fbt:vmlinux:notify_change:entry
{
	this->attr = (struct iattr *)arg2;
	this->d0 = (struct dentry *)arg1;
	this->about = (this->attr->ia_valid & 0x8000) != 0;
	this->wants = (this->attr->ia_valid & 8) != 0 &&
	    (this->about == 0 || (this->attr->ia_file->f_mode & 0x100002) == 0);
}

fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_mkdir:entry,
fbt:vmlinux:vfs_mknod:entry,
fbt:vmlinux:vfs_symlink:entry
{
	this->d0 = (struct dentry *)arg2;
	this->wants = 1;
	this->about = 0;
}

/* The inode number: what is removed may be a watched directory. */
fbt:vmlinux:vfs_rmdir:entry
{
	this->d0 = (struct dentry *)arg2;
	this->wants = 1;
	this->about = this->d0->d_inode != NULL ? this->d0->d_inode->i_ino : 0;
}

/* (mnt, dir, dentry, mode, …) in Linux 6.1 and 6.12, (mnt, dentry, mode, …) in 7.2: the third is a kernel pointer, or a mode. */
fbt:vmlinux:vfs_create:entry
{
	this->d0 = (int64_t)arg2 < 0 ? (struct dentry *)arg2 : (struct dentry *)arg1;
	this->wants = 1;
	this->about = self->call == 2;
}

fbt:vmlinux:vfs_link:entry
{
	this->d0 = (struct dentry *)arg3;
	this->wants = 1;
	this->about = 0;
}

/* What carries the new name afterwards: the moved dentry takes the name of the other, or they swap (RENAME_EXCHANGE, 2). */
fbt:vmlinux:vfs_rename:entry
{
	this->rename = (struct renamedata *)arg0;
	this->moved = this->rename->old_dentry;
	this->other = this->rename->new_dentry;
	this->d0 = (this->rename->flags & 2) != 0 ? this->moved : this->other;
	this->wants = 1;
	this->about = this->other->d_inode != NULL ? this->other->d_inode->i_ino : 0;
}

fbt:vmlinux:do_dentry_open:entry,
fbt:vmlinux:notify_change:entry,
fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_mkdir:entry,
fbt:vmlinux:vfs_create:entry,
fbt:vmlinux:vfs_mknod:entry,
fbt:vmlinux:vfs_symlink:entry,
fbt:vmlinux:vfs_link:entry,
fbt:vmlinux:vfs_rename:entry
{
	this->wants = this->wants && watched[this->d0->d_sb->s_dev, (unsigned long)0] == 1 &&
	    pid != $pid && ignored[(uint32_t)pid, (unsigned long)0] != 1;
	this->frame = self->depth >= 3 ? 1 : self->depth != 0 || this->wants ? self->depth + 1 : 0;
}

fbt:vmlinux:do_dentry_open:entry,
fbt:vmlinux:notify_change:entry,
fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_mkdir:entry,
fbt:vmlinux:vfs_create:entry,
fbt:vmlinux:vfs_mknod:entry,
fbt:vmlinux:vfs_symlink:entry,
fbt:vmlinux:vfs_link:entry,
fbt:vmlinux:vfs_rename:entry
/this->frame != 0/
{
	self->depth = this->frame;
}

fbt:vmlinux:do_dentry_open:entry,
fbt:vmlinux:notify_change:entry,
fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_mkdir:entry,
fbt:vmlinux:vfs_create:entry,
fbt:vmlinux:vfs_mknod:entry,
fbt:vmlinux:vfs_symlink:entry,
fbt:vmlinux:vfs_link:entry,
fbt:vmlinux:vfs_rename:entry
/this->frame == 1/
{
	self->d1 = this->wants ? this->d0 : NULL;
	self->about1 = this->about;
}

fbt:vmlinux:do_dentry_open:entry,
fbt:vmlinux:notify_change:entry,
fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_mkdir:entry,
fbt:vmlinux:vfs_create:entry,
fbt:vmlinux:vfs_mknod:entry,
fbt:vmlinux:vfs_symlink:entry,
fbt:vmlinux:vfs_link:entry,
fbt:vmlinux:vfs_rename:entry
/this->frame == 2/
{
	self->d2 = this->wants ? this->d0 : NULL;
	self->about2 = this->about;
}

fbt:vmlinux:do_dentry_open:entry,
fbt:vmlinux:notify_change:entry,
fbt:vmlinux:vfs_unlink:entry,
fbt:vmlinux:vfs_rmdir:entry,
fbt:vmlinux:vfs_mkdir:entry,
fbt:vmlinux:vfs_create:entry,
fbt:vmlinux:vfs_mknod:entry,
fbt:vmlinux:vfs_symlink:entry,
fbt:vmlinux:vfs_link:entry,
fbt:vmlinux:vfs_rename:entry
/this->frame == 3/
{
	self->d3 = this->wants ? this->d0 : NULL;
	self->about3 = this->about;
}

/* Its old name is gone when it returns, so the walk from there is made now. */
fbt:vmlinux:vfs_rename:entry
/this->frame != 0 && this->wants/
{
	this->d1 = this->moved->d_parent;
	this->about = this->moved->d_inode->i_ino;
	this->dev = this->d1->d_sb->s_dev;
	this->level = this->about != 0 && watched[this->dev, this->ino = this->about] == 1 ? 0
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

fbt:vmlinux:vfs_rename:entry
/this->frame == 1 && this->wants/
{
	self->from1 = this->d1;
	self->level1 = this->level;
	self->top1 = this->ino;
	self->moved1 = this->about;
	self->name1 = stringof(this->moved->d_name.name);
}

fbt:vmlinux:vfs_rename:entry
/this->frame == 2 && this->wants/
{
	self->from2 = this->d1;
	self->level2 = this->level;
	self->top2 = this->ino;
	self->moved2 = this->about;
	self->name2 = stringof(this->moved->d_name.name);
}

fbt:vmlinux:vfs_rename:entry
/this->frame == 3 && this->wants/
{
	self->from3 = this->d1;
	self->level3 = this->level;
	self->top3 = this->ino;
	self->moved3 = this->about;
	self->name3 = stringof(this->moved->d_name.name);
}

/* --- Return: did it succeed, and is it below a watched directory? --- */

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
{
	this->found = 0;
	this->frame = self->depth;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
/this->frame != 0/
{
	self->depth = this->frame - 1;
	this->d0 = this->frame == 1 ? self->d1 : this->frame == 2 ? self->d2 : this->frame == 3 ? self->d3 : NULL;
	this->about = this->frame == 1 ? self->about1 : this->frame == 2 ? self->about2 : self->about3;
	this->found = this->d0 != NULL && (int)arg1 == 0;
}

/* In Linux 7.2 it gives the dentry, which may be another one than it was given, or an error: -1 to -4095. */
fbt:vmlinux:vfs_mkdir:return
/this->frame != 0 && this->d0 != NULL && arg1 != 0/
{
	this->found = (int64_t)arg1 < -4095;
	this->d0 = this->found ? (struct dentry *)arg1 : this->d0;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
/this->frame == 1/
{
	self->d1 = 0;
	self->about1 = 0;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
/this->frame == 2/
{
	self->d2 = 0;
	self->about2 = 0;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
/this->frame == 3/
{
	self->d3 = 0;
	self->about3 = 0;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
/this->found/
{
	this->now = walltimestamp;
	this->d1 = this->d0->d_parent;
	this->dev = this->d1->d_sb->s_dev;
}

fbt:vmlinux:do_dentry_open:return
/this->found/
{
	this->op = self->call == 1 ? "creat" : "open";
	this->about = 0;
}

fbt:vmlinux:notify_change:return
/this->found/
{
	this->op = this->about ? "open" : "truncate";
	this->about = 0;
}

fbt:vmlinux:vfs_unlink:return
/this->found/
{
	this->op = "unlink";
	this->about = 0;
}

fbt:vmlinux:vfs_rmdir:return
/this->found/
{
	this->op = "rmdir";
}

fbt:vmlinux:vfs_mkdir:return
/this->found/
{
	this->op = "mkdir";
	this->about = 0;
}

fbt:vmlinux:vfs_create:return
/this->found/
{
	this->op = this->about ? "mknod" : "creat";
	this->about = 0;
}

fbt:vmlinux:vfs_mknod:return
/this->found/
{
	this->op = "mknod";
	this->about = 0;
}

fbt:vmlinux:vfs_symlink:return
/this->found/
{
	this->op = "symlink";
	this->about = 0;
}

fbt:vmlinux:vfs_link:return
/this->found/
{
	this->op = "link";
	this->about = 0;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return
/this->found/
{
	this->level = this->about != 0 && watched[this->dev, this->ino = this->about] == 1 ? 0
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

/* io_uring's workers (PF_IO_WORKER, 0x10) are threads of the process that have names of their own. */
fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return,
fbt:vmlinux:vfs_rename:return
/this->found/
{
	this->task = (curthread->flags & 0x10) != 0 ? curthread->group_leader : curthread;
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return
/this->found && this->names <= 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d fd=%d dev=%d ino=%d level=%d path=%s%s%s%s\n",
	    this->op, this->task->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    -1, this->dev, this->ino, this->level,
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? stringof(this->d0->d_name.name) : "");
}

fbt:vmlinux:do_dentry_open:return,
fbt:vmlinux:notify_change:return,
fbt:vmlinux:vfs_unlink:return,
fbt:vmlinux:vfs_rmdir:return,
fbt:vmlinux:vfs_mkdir:return,
fbt:vmlinux:vfs_create:return,
fbt:vmlinux:vfs_mknod:return,
fbt:vmlinux:vfs_symlink:return,
fbt:vmlinux:vfs_link:return
/this->found && this->names > 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d fd=%d dev=%d ino=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    this->op, this->task->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    -1, this->dev, this->ino, this->level,
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

/* --- Both sides of a rename. --- */

fbt:vmlinux:vfs_rename:return
/this->found/
{
	this->to = this->d0;
	this->replaced = this->about;
	this->d1 = this->frame == 1 ? self->from1 : this->frame == 2 ? self->from2 : self->from3;
	this->level = this->frame == 1 ? self->level1 : this->frame == 2 ? self->level2 : self->level3;
	this->ino = this->frame == 1 ? self->top1 : this->frame == 2 ? self->top2 : self->top3;
	this->about = this->frame == 1 ? self->moved1 : this->frame == 2 ? self->moved2 : self->moved3;
	this->name = this->frame == 1 ? self->name1 : this->frame == 2 ? self->name2 : self->name3;
	this->names = this->level < 100 ? this->level : 24;
	this->left = this->level < 100 || this->level == 200;
}

fbt:vmlinux:vfs_rename:return
/this->frame == 1/
{
	self->from1 = 0;
	self->level1 = 0;
	self->top1 = 0;
	self->moved1 = 0;
	self->name1 = NULL;
}

fbt:vmlinux:vfs_rename:return
/this->frame == 2/
{
	self->from2 = 0;
	self->level2 = 0;
	self->top2 = 0;
	self->moved2 = 0;
	self->name2 = NULL;
}

fbt:vmlinux:vfs_rename:return
/this->frame == 3/
{
	self->from3 = 0;
	self->level3 = 0;
	self->top3 = 0;
	self->moved3 = 0;
	self->name3 = NULL;
}

/* The same way up once more: a root is its own parent. */
fbt:vmlinux:vfs_rename:return
/this->found && this->left/
{
	this->d2 = this->d1->d_parent;
	this->d3 = this->d2->d_parent;
	this->d4 = this->d3->d_parent;
	this->d5 = this->d4->d_parent;
	this->d6 = this->d5->d_parent;
	this->d7 = this->d6->d_parent;
	this->d8 = this->d7->d_parent;
	this->d9 = this->d8->d_parent;
	this->d10 = this->d9->d_parent;
	this->d11 = this->d10->d_parent;
	this->d12 = this->d11->d_parent;
	this->d13 = this->d12->d_parent;
	this->d14 = this->d13->d_parent;
	this->d15 = this->d14->d_parent;
	this->d16 = this->d15->d_parent;
	this->d17 = this->d16->d_parent;
	this->d18 = this->d17->d_parent;
	this->d19 = this->d18->d_parent;
	this->d20 = this->d19->d_parent;
	this->d21 = this->d20->d_parent;
	this->d22 = this->d21->d_parent;
	this->d23 = this->d22->d_parent;
}

fbt:vmlinux:vfs_rename:return
/this->found && this->left && this->names <= 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d moved=%d dev=%d ino=%d level=%d path=%s%s%s%s\n",
	    "rename", this->task->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    this->about, this->dev, this->ino, this->level,
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? this->name : "");
}

fbt:vmlinux:vfs_rename:return
/this->found && this->left && this->names > 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d moved=%d dev=%d ino=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    "rename", this->task->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    this->about, this->dev, this->ino, this->level,
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
	    this->names > 0 ? this->name : "");
}

fbt:vmlinux:vfs_rename:return
/this->found/
{
	this->d1 = this->to->d_parent;
	this->about = this->replaced;
	this->level = this->about != 0 && watched[this->dev, this->ino = this->about] == 1 ? 0
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
	this->names = this->level < 200 ? this->level % 100 : 24;
	this->found = this->level < 100 || this->level == 200 || this->left;
}

fbt:vmlinux:vfs_rename:return
/this->found && this->names <= 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d replaced=%d dev=%d ino=%d level=%d path=%s%s%s%s\n",
	    "rename", this->task->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    this->replaced, this->dev, this->ino, this->level,
	    this->names > 3 ? strjoin(stringof(this->d3->d_name.name), "/") : "",
	    this->names > 2 ? strjoin(stringof(this->d2->d_name.name), "/") : "",
	    this->names > 1 ? strjoin(stringof(this->d1->d_name.name), "/") : "",
	    this->names > 0 ? stringof(this->to->d_name.name) : "");
}

fbt:vmlinux:vfs_rename:return
/this->found && this->names > 4/
{
	printf("op=%s execname=%s pid=%d uid=%d zone_name=%s timestamp=%d replaced=%d dev=%d ino=%d level=%d path=%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s%s\n",
	    "rename", this->task->comm, pid, uid,
	    curthread->nsproxy->uts_ns->name.nodename, this->now,
	    this->replaced, this->dev, this->ino, this->level,
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
	    this->names > 0 ? stringof(this->to->d_name.name) : "");
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
