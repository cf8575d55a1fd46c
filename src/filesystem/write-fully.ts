import type { FileDescriptor } from "../host/file-access.ts";

/** Writes all of `bytes`; a disk that fills up takes a part first and says so at the next call. */
export async function writeFully(file: FileDescriptor, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
