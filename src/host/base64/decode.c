/*
 * The bytes of base64 (RFC 4648, standard or URL-safe alphabet), written over its text. Node can only read a string of it and
 * into new memory: two copies, and the collector's time.
 */
#include <stddef.h>
#include <stdint.h>

/* The value of a character plus one; 0 for what is none. */
static const uint8_t VALUES[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,
    ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18,
    ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27,
    ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36,
    ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45,
    ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54,
    ['2'] = 55, ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63,
    ['-'] = 63, ['/'] = 64, ['_'] = 64,
};

/* Are all of `text` characters of base64? */
static int is_base64_portably(const uint8_t *text, size_t length) {
  for (size_t at = 0; at < length; at++)
    if (VALUES[text[at]] == 0) return 0;
  return 1;
}

#if defined(__x86_64__)
#include <immintrin.h>

enum { STEP = 32, STEP_BYTES = 24 };

/* Which of 32 characters are letters, digits and the two others of the standard alphabet. */
struct classes {
  __m256i upper, lower, digit, plus, slash;
};

__attribute__((target("avx2"))) static inline __m256i between(__m256i text, char first, char last) {
  return _mm256_and_si256(_mm256_cmpgt_epi8(text, _mm256_set1_epi8((char)(first - 1))),
                          _mm256_cmpgt_epi8(_mm256_set1_epi8((char)(last + 1)), text));
}

__attribute__((target("avx2"))) static inline struct classes classes_of(__m256i text) {
  return (struct classes){.upper = between(text, 'A', 'Z'),
                          .lower = between(text, 'a', 'z'),
                          .digit = between(text, '0', '9'),
                          .plus = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('+')),
                          .slash = _mm256_cmpeq_epi8(text, _mm256_set1_epi8('/'))};
}

/* How many characters from the first one on are of the standard alphabet, rounded down to 32. */
__attribute__((target("avx2"))) static size_t standard_with_avx2(const uint8_t *text, size_t length) {
  size_t done = 0;
  for (; done + STEP <= length; done += STEP) {
    struct classes of = classes_of(_mm256_loadu_si256((const __m256i *)(text + done)));
    __m256i letters = _mm256_or_si256(of.upper, of.lower), others = _mm256_or_si256(of.plus, of.slash);
    __m256i known = _mm256_or_si256(_mm256_or_si256(letters, of.digit), others);
    if (_mm256_movemask_epi8(known) != -1) break;
  }
  return done;
}

/* Writes the bytes of `length` characters, a multiple of 32, all of the standard alphabet, over them. */
__attribute__((target("avx2"))) static void decode_with_avx2(uint8_t *text, size_t length) {
  /* Four values have become 24 bits of a 32-bit word: its three bytes, most significant first. */
  const __m256i gather =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
  const __m256i join = _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7);
  uint8_t *bytes = text;
  for (size_t done = 0; done < length; done += STEP, bytes += STEP_BYTES) {
    __m256i piece = _mm256_loadu_si256((const __m256i *)(text + done));
    struct classes of = classes_of(piece);
    __m256i letters = _mm256_or_si256(_mm256_and_si256(of.upper, _mm256_set1_epi8(-'A')),
                                      _mm256_and_si256(of.lower, _mm256_set1_epi8(26 - 'a')));
    __m256i signs = _mm256_or_si256(_mm256_and_si256(of.plus, _mm256_set1_epi8(62 - '+')),
                                    _mm256_and_si256(of.slash, _mm256_set1_epi8(63 - '/')));
    __m256i others = _mm256_or_si256(_mm256_and_si256(of.digit, _mm256_set1_epi8(52 - '0')), signs);
    __m256i values = _mm256_add_epi8(piece, _mm256_or_si256(letters, others));
    __m256i pairs = _mm256_maddubs_epi16(values, _mm256_set1_epi16(0x0140));
    __m256i words = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
    /* 32 bytes are stored, of which 24 are meant: the others fall on characters that were read, or are written next. */
    _mm256_storeu_si256((__m256i *)bytes, _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(words, gather), join));
  }
}

static size_t standard_prefix(const uint8_t *text, size_t length) {
  return __builtin_cpu_supports("avx2") ? standard_with_avx2(text, length) : 0;
}

#else
static size_t standard_prefix(const uint8_t *text, size_t length) {
  (void)text, (void)length;
  return 0;
}

static void decode_with_avx2(uint8_t *text, size_t length) {
  (void)text, (void)length;
}
#endif

/*
 * Writes the bytes of `length` characters without padding over them, three for each four and one or two for a rest of two or
 * three. Returns 1, or 0 when a character is none of base64: then the text is as it was.
 */
int guestd_decode_base64(uint8_t *text, size_t length) {
  size_t done = standard_prefix(text, length);
  if (!is_base64_portably(text + done, length - done)) return 0;
  decode_with_avx2(text, done);
  uint8_t *bytes = text + done / 4 * 3;
  uint32_t word = 0;
  for (; done < length; done++) {
    word = word << 6 | (uint32_t)(VALUES[text[done]] - 1);
    /* Every character but the first of four completes a byte. */
    if (done % 4 != 0) *bytes++ = (uint8_t)(word >> (6 - done % 4 * 2));
  }
  return 1;
}
