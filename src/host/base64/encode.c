/*
 * Base64 (RFC 4648, with padding) straight into memory. Node can only make a string of it, which costs two more copies and the
 * collector's time.
 */
#include <stddef.h>
#include <stdint.h>

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Four characters for each three bytes, as many as are whole; returns how many bytes that were. */
static size_t encode_portably(const uint8_t *bytes, size_t length, char *text) {
  size_t done = 0;
  for (; done + 3 <= length; done += 3, text += 4) {
    uint32_t word = (uint32_t)bytes[done] << 16 | (uint32_t)bytes[done + 1] << 8 | bytes[done + 2];
    text[0] = ALPHABET[word >> 18];
    text[1] = ALPHABET[word >> 12 & 63];
    text[2] = ALPHABET[word >> 6 & 63];
    text[3] = ALPHABET[word & 63];
  }
  return done;
}

#if defined(__x86_64__)
#include <immintrin.h>

enum { STEP = 24, LEAD = 4, LOAD = 32 };

/*
 * The same, 24 bytes at a time. Each half of a register takes 12 bytes, so a load begins four bytes before the ones it is for:
 * `bytes` must have as many in front of it.
 */
__attribute__((target("avx2"))) static size_t encode_with_avx2(const uint8_t *bytes, size_t length, char *text) {
  /* Of each three bytes a b c: b a c b, so that every 6 bits can be moved into a byte of their own by two multiplications. */
  const __m256i spread = _mm256_setr_epi8(5, 4, 6, 5, 8, 7, 9, 8, 11, 10, 12, 11, 14, 13, 15, 14,
                                          1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10);
  /* What is added to a value to make it a character: by class 13 for A-Z, 0 for a-z, 1-10 for digits, 11 and 12 for + and /. */
  const __m256i shift = _mm256_broadcastsi128_si256(
      _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
                    '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
  size_t done = 0;
  for (; done + LOAD - LEAD <= length; done += STEP, text += STEP / 3 * 4) {
    __m256i spread_bytes = _mm256_shuffle_epi8(_mm256_loadu_si256((const __m256i *)(bytes + done - LEAD)), spread);
    __m256i first_and_third = _mm256_mulhi_epu16(_mm256_and_si256(spread_bytes, _mm256_set1_epi32(0x0fc0fc00)),
                                                 _mm256_set1_epi32(0x04000040));
    __m256i second_and_fourth = _mm256_mullo_epi16(_mm256_and_si256(spread_bytes, _mm256_set1_epi32(0x003f03f0)),
                                                   _mm256_set1_epi32(0x01000010));
    __m256i values = _mm256_or_si256(first_and_third, second_and_fourth);
    __m256i is_upper = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), values);
    __m256i class = _mm256_or_si256(_mm256_subs_epu8(values, _mm256_set1_epi8(51)),
                                    _mm256_and_si256(is_upper, _mm256_set1_epi8(13)));
    _mm256_storeu_si256((__m256i *)text, _mm256_add_epi8(values, _mm256_shuffle_epi8(shift, class)));
  }
  return done;
}

static size_t encode_whole(const uint8_t *bytes, size_t length, char *text) {
  if (length < 2 * LOAD || !__builtin_cpu_supports("avx2")) return encode_portably(bytes, length, text);
  size_t head = encode_portably(bytes, 6, text);
  size_t body = head + encode_with_avx2(bytes + head, length - head, text + head / 3 * 4);
  return body + encode_portably(bytes + body, length - body, text + body / 3 * 4);
}

#else
#define encode_whole encode_portably
#endif

/* Writes the text of `length` bytes, four characters for each three bytes begun. */
void guestd_encode_base64(const uint8_t *bytes, size_t length, char *text) {
  size_t done = encode_whole(bytes, length, text);
  size_t rest = length - done;
  if (rest == 0) return;
  text += done / 3 * 4;
  uint32_t word = (uint32_t)bytes[done] << 16 | (rest == 2 ? (uint32_t)bytes[done + 1] << 8 : 0);
  text[0] = ALPHABET[word >> 18];
  text[1] = ALPHABET[word >> 12 & 63];
  text[2] = rest == 2 ? ALPHABET[word >> 6 & 63] : '=';
  text[3] = '=';
}
