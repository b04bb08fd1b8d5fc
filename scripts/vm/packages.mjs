/** What is in the guest besides the kernel. */

/** The suite that it comes from, whatever kernel is booted: the one that has libdtrace. */
export const SUITE = 'testing'

/** Packages by what they are for; all that they depend on comes with them. */
export const PACKAGES = {
  'a system': [
    'base-files',
    'base-passwd',
    'bash',
    'bsdutils',
    'coreutils',
    'dash',
    'debianutils',
    'diffutils',
    'findutils',
    'grep',
    'gzip',
    'hostname',
    'iproute2',
    'libc-bin',
    'login',
    'mawk',
    'mount',
    'procps',
    'psmisc',
    'sed',
    'tar',
    'util-linux',
  ],
  'what is under test': ['nodejs', 'libdtrace2', 'dtrace'],
  'programs that tests trace': [
    'busybox-static',
    'python3',
    'rsync',
    'runc',
    'crun',
    'bubblewrap',
    'e2fsprogs',
    'nfs-kernel-server',
    'nfs-common',
    'lsof',
    'strace',
  ],
  'test programs in C, USDT ones among them': ['gcc', 'libc6-dev', 'libdtrace2-dev', 'make'],
}
