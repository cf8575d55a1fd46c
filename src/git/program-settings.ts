/** Keys in lower case: commands, folders of hooks and templates, files of more settings, and what leads to other servers. */
const RUNNING: readonly RegExp[] = [
  /^(?:alias|includeif|pager)\./,
  /^core\.(?:alternaterefscommand|askpass|editor|fsmonitor|gitproxy|hookspath|pager|sshcommand)$/,
  /^credential\.(?:.+\.)?helper$/,
  /^diff\.(?:external|(?:.+\.)?(?:command|textconv))$/,
  /^(?:browser|difftool|guitool|man|mergetool)\.(?:.+\.)?(?:cmd|path)$/,
  /^(?:filter|lfs)\.(?:.+\.)?(?:clean|path|process|smudge)$/,
  /^(?:gc\.recentobjectshook|imap\.tunnel|include\.path|init\.templatedir|instaweb\.httpd|interactive\.difffilter)$/,
  /^gpg\.(?:.+\.)?(?:defaultkeycommand|program)$/,
  /^(?:hook|tar)\.(?:.+\.)?command$/,
  /^merge\.(?:.+\.)?driver$/,
  /^protocol\.(?:.+\.)?allow$/,
  /^remote\.(?:.+\.)?(?:receivepack|uploadpack|vcs)$/,
  /^sendemail\.(?:.+\.)?(?:cccmd|headercmd|sendmailcmd|smtpserver|tocmd)$/,
  /^(?:sequence\.editor|uploadpack\.packobjectshook)$/,
  /^trailer\.(?:.+\.)?(?:cmd|command)$/,
  /^url\.(?:.+\.)?(?:insteadof|pushinsteadof)$/,
];
const UPDATE = /^submodule\..+\.update$/;

/** Whether a setting makes git run a program, or take settings or servers from elsewhere. */
export function runsProgram(key: string, value: string): boolean {
  const name = key.toLowerCase();
  return RUNNING.some((pattern) => pattern.test(name)) || (UPDATE.test(name) && value.startsWith("!"));
}
