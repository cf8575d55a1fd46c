// What Node has no word for: stopping JavaScript wherever it runs, and new entropy for OpenSSL.
//
// SIGINT reaches the loop as always. Where the loop does not come to it, something holds the thread: a second thread
// then asks V8 for an interrupt of its own, which ends what runs unless the driver is at work (`state[SHIELD]`).
// Decisions are made on the main thread only, so none of them is out of date when it is carried out. Everything that moves the
// driver on is called from here, shielded from its first instruction: what Node calls it with (immediates, sockets) may be ended before.
#include <errno.h>
#include <node_api.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <uv.h>

// Methods of V8 by their names, which Node 22 and 24 share: its headers would bind this file to one version of Node.
void *get_isolate(void) __asm__("_ZN2v87Isolate10GetCurrentEv");
void terminate(void *isolate) __asm__("_ZN2v87Isolate18TerminateExecutionEv");
void cancel_termination(void *isolate) __asm__("_ZN2v87Isolate24CancelTerminateExecutionEv");
void request_interrupt(void *isolate, void (*callback)(void *, void *), void *context) __asm__(
    "_ZN2v87Isolate16RequestInterruptEPFvPS0_PvES2_");
// Node-API has V8's handles as its values. Nothing (NULL) where a frame has no script.
napi_value stack_of(void *isolate, int most_frames, int options) __asm__(
    "_ZN2v810StackTrace17CurrentStackTraceEPNS_7IsolateEiNS0_17StackTraceOptionsE");
int count_frames(napi_value stack) __asm__("_ZNK2v810StackTrace13GetFrameCountEv");
napi_value frame_of(napi_value stack, void *isolate, uint32_t index) __asm__("_ZNK2v810StackTrace8GetFrameEPNS_7IsolateEj");
napi_value script_of(napi_value frame) __asm__("_ZNK2v810StackFrame24GetScriptNameOrSourceURLEv");
__attribute__((weak)) void RAND_seed(const void *entropy, int size);

// How long the loop may take to notice a signal before what runs counts as a loop without end.
enum { GRACE_MS = 5, AGAIN_MS = 20, AFTER_SPARED_MS = 1 };
// How long Node's own JavaScript may be met again and again before it counts as what never ends.
enum { MOST_SPARED_MS = 1000 };
// Members of the array that is shared with the driver.
enum { SHIELD, PENDING, ENDING, CLOSED };
// Of v8::StackTrace::StackTraceOptions: with names of scripts, in all contexts.
enum { SCRIPT_NAMES = 1 << 6, ALL_CONTEXTS = 1 << 8 };

static napi_env env;
static napi_ref kept_state, on_interrupted, on_readable, on_step;
static void *isolate;
static int32_t *state;
static atomic_int spared; // Node's own JavaScript was met and let go on
static int64_t spared_since_ms;
static atomic_int unnoticed; // a signal has come that the loop has not seen
static atomic_int requested; // V8 has been asked and has not called back
static sem_t wake;
static pthread_t watcher;
static uv_signal_t in_loop;
static uv_poll_t requests;
static uv_idle_t turns;
static int turns_left;
static struct sigaction of_loop;

static void pause_ms(long duration) {
  struct timespec left = {0, duration * 1000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

static void on_signal(int number) {
  int saved = errno;
  atomic_store(&unnoticed, 1);
  sem_post(&wake);
  of_loop.sa_handler(number);
  errno = saved;
}

// Whose function is on the stack: Node's, the user's (or the driver's), or one of V8's that has no script.
enum { NODES, USERS, BUILT_IN };

static int owner_of(napi_value stack, uint32_t index) {
  char name[sizeof "node:"] = "";
  if ((int)index >= count_frames(stack)) return BUILT_IN;
  napi_value script = script_of(frame_of(stack, isolate, index));
  if (!script || napi_get_value_string_latin1(env, script, name, sizeof name, NULL) != napi_ok || !*name) return BUILT_IN;
  return strcmp(name, "node:") == 0 ? NODES : USERS;
}

// Whether what is ended here, or some steps later, may leave Node's own JavaScript with half of its work: a list of timers would never
// fire again, or fire for ever. Where it calls the user's code, and where it has just been called by it, it has to stand an error anyway.
static int is_within_node(void) {
  napi_value stack = stack_of(isolate, 2, SCRIPT_NAMES | ALL_CONTEXTS);
  return owner_of(stack, 0) == NODES && owner_of(stack, 1) != USERS;
}

// Whether it may go on once more.
static int may_be_spared(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (!atomic_exchange(&spared, 1)) spared_since_ms = now_ms;
  return now_ms - spared_since_ms < MOST_SPARED_MS;
}

// Between two steps of JavaScript on the main thread.
static void on_interrupt(void *unused_isolate, void *unused) {
  (void)unused_isolate, (void)unused;
  atomic_store(&requested, 0);
  if (!atomic_load(&unnoticed)) return;
  if (state[SHIELD] > 0) {
    state[PENDING] = 1;
    return;
  }
  if (is_within_node() && may_be_spared()) return;
  atomic_store(&spared, 0);
  state[ENDING] = 1;
  terminate(isolate);
}

static void *watch(void *unused) {
  for (;;) {
    while (sem_wait(&wake) != 0) continue;
    pause_ms(GRACE_MS);
    while (atomic_load(&unnoticed)) {
      if (!atomic_exchange(&requested, 1)) request_interrupt(isolate, on_interrupt, NULL);
      pause_ms(atomic_load(&spared) ? AFTER_SPARED_MS : AGAIN_MS);
    }
  }
  return unused;
}

// Calls the driver, which takes the shield away when it is done. What its return then sets off is the user's, and may be ended.
static void call(napi_ref function) {
  napi_handle_scope scope;
  napi_value global, callback, ignored, thrown;
  state[SHIELD] = 1;
  napi_open_handle_scope(env, &scope);
  napi_get_global(env, &global);
  napi_get_reference_value(env, function, &callback);
  if (napi_make_callback(env, NULL, global, callback, 0, NULL, &ignored) == napi_pending_exception) {
    napi_get_and_clear_last_exception(env, &thrown);
    // A tick of the user has thrown, unless all was ended.
    if (!state[ENDING]) napi_fatal_exception(env, thrown);
  }
  napi_close_handle_scope(env, scope);
}

static void forget(void) {
  atomic_store(&unnoticed, 0);
  cancel_termination(isolate); // one that came too late for what it was meant for
  atomic_store(&spared, 0);
  state[PENDING] = state[ENDING] = 0;
}

// Called by the loop: nothing of the user runs. The loop comes to signals last, so whatever it calls looks for them first: what is
// called then is not about to be ended.
static void notice(void) {
  if (!atomic_load(&unnoticed)) return;
  forget();
  call(on_interrupted);
}

static void on_noticed(uv_signal_t *unused, int number) {
  (void)unused, (void)number;
  notice();
}

static void on_requests(uv_poll_t *handle, int status, int events) {
  (void)status, (void)events;
  notice();
  call(on_readable);
  if (state[CLOSED]) uv_poll_stop(handle);
}

static void on_turn(uv_idle_t *handle) {
  if (--turns_left > 0) return;
  uv_idle_stop(handle);
  notice();
  call(on_step);
}

// Puts the handler in front of the loop's, also when something else has set one: vm's `breakOnSigint` does.
static void claim(void) {
  struct sigaction now;
  sigaction(SIGINT, NULL, &now);
  if (now.sa_handler == on_signal) return;
  now = of_loop;
  now.sa_handler = on_signal;
  sigaction(SIGINT, &now, NULL);
}

static int start_thread(void) {
  sigset_t all, before;
  pthread_attr_t small;
  sigfillset(&all);
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 64 * 1024);
  pthread_sigmask(SIG_BLOCK, &all, &before);
  int failed = pthread_create(&watcher, &small, watch, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&small);
  return failed;
}

// Before V8 is gone.
static void stop_thread(void *unused) {
  (void)unused;
  pthread_cancel(watcher);
  pthread_join(watcher, NULL);
}

// start(state, onInterrupt, onStep, onReadable, descriptor): calls at each SIGINT that the loop comes to, when `soon` was called, and
// whenever the descriptor can be read until the driver says that it is closed.
static napi_value js_start(napi_env given, napi_callback_info info) {
  size_t count = 5;
  napi_value arguments[5];
  void *shared = NULL;
  int32_t descriptor = -1;
  uv_loop_t *loop = NULL;
  env = given;
  napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
  napi_get_typedarray_info(env, arguments[0], NULL, NULL, &shared, NULL, NULL);
  napi_create_reference(env, arguments[0], 1, &kept_state);
  napi_create_reference(env, arguments[1], 1, &on_interrupted);
  napi_create_reference(env, arguments[2], 1, &on_step);
  napi_create_reference(env, arguments[3], 1, &on_readable);
  napi_get_value_int32(env, arguments[4], &descriptor);
  napi_get_uv_event_loop(env, &loop);
  state = shared;
  isolate = get_isolate();
  sem_init(&wake, 0, 0);
  int failed = !shared || uv_signal_init(loop, &in_loop) || uv_signal_start(&in_loop, on_noticed, SIGINT) ||
               sigaction(SIGINT, NULL, &of_loop) || uv_idle_init(loop, &turns) ||
               uv_poll_init(loop, &requests, descriptor) ||
               uv_poll_start(&requests, UV_READABLE, on_requests) || start_thread();
  if (failed) {
    napi_throw_error(env, NULL, "signals and requests cannot be watched");
    return NULL;
  }
  napi_add_env_cleanup_hook(env, stop_thread, NULL);
  // Never stopped: so the loop's handler stays, whatever listeners come and go.
  uv_unref((uv_handle_t *)&in_loop);
  claim();
  return NULL;
}

// begin(): signals until now were meant for somebody else.
static napi_value js_begin(napi_env given, napi_callback_info info) {
  (void)given, (void)info;
  forget();
  claim();
  return NULL;
}

// soon(): calls `onStep` when the loop has made a whole turn, so that the user's immediates had theirs.
static napi_value js_soon(napi_env given, napi_callback_info info) {
  (void)given, (void)info;
  turns_left = 2;
  uv_idle_start(&turns, on_turn);
  return NULL;
}

// stop(): ends what runs if a signal is still unnoticed; true when it does.
static napi_value js_stop(napi_env given, napi_callback_info info) {
  (void)info;
  napi_value answer;
  int is_due = atomic_load(&unnoticed);
  state[PENDING] = 0;
  state[ENDING] = is_due;
  napi_get_boolean(given, is_due, &answer);
  if (is_due) terminate(isolate);
  return answer;
}

// reseed(bytes): OpenSSL takes them into its seeds, with new ones of the system.
static napi_value js_reseed(napi_env given, napi_callback_info info) {
  size_t count = 1, size = 0;
  napi_value bytes;
  void *entropy = NULL;
  napi_get_cb_info(given, info, &count, &bytes, NULL, NULL);
  if (napi_get_typedarray_info(given, bytes, NULL, &size, &entropy, NULL, NULL) == napi_ok && RAND_seed)
    RAND_seed(entropy, (int)size);
  return NULL;
}

static napi_value define(napi_env given, napi_value exports) {
  napi_property_descriptor members[] = {
      {"start", NULL, js_start, NULL, NULL, NULL, napi_default, NULL},
      {"begin", NULL, js_begin, NULL, NULL, NULL, napi_default, NULL},
      {"soon", NULL, js_soon, NULL, NULL, NULL, napi_default, NULL},
      {"stop", NULL, js_stop, NULL, NULL, NULL, napi_default, NULL},
      {"reseed", NULL, js_reseed, NULL, NULL, NULL, napi_default, NULL},
  };
  napi_define_properties(given, exports, sizeof members / sizeof *members, members);
  return exports;
}

NAPI_MODULE(interrupts, define)
