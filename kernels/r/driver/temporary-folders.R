# R removes its temporary folder when it ends; a kernel is killed. So the next one removes those of kernels that are gone.

sweep_temporary_folders <- function() {
  own <- tempdir()
  # Other process namespaces have other numbers.
  namespace <- gsub("[^0-9]", "", Sys.readlink("/proc/self/ns/pid"))
  mark <- sprintf(".guestd-kernel-%s-", namespace)
  file.create(file.path(own, paste0(mark, Sys.getpid())))
  marks <- Sys.glob(file.path(dirname(own), "Rtmp*", paste0(mark, "*")))
  folders <- dirname(marks)
  is_gone <- !dir.exists(file.path("/proc", sub(".*-", "", marks)))
  is_ours <- file.info(folders)$uid == file.info(own)$uid
  unlink(folders[is_gone & is_ours], recursive = TRUE)
}
