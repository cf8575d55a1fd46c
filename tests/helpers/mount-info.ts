/** Text of `/proc/self/mountinfo` with these mounts, whole file systems unless another `root` is given. */
export function mountInfo(...mounts: { point: string; type: string; root?: string; options?: string }[]): string {
  return mounts
    .map(({ point, type, root = "/", options = "rw" }, at) => {
      return `${30 + at} 1 0:${20 + at} ${root} ${point} rw,relatime shared:9 - ${type} ${type} ${options}\n`;
    })
    .join("");
}
