// How many requests of a consumer at an endpoint, or of a project, are in progress: a proxy-wasm module (ABI 0.2.1).
//
// Envoy has no filter of its own that counts by consumer, or over endpoints, and lets go however a request ends. A
// stream's context does: it is deleted when the stream is, whether it was answered, refused by a later filter, timed
// out or hung up on.
//
// Counts are kept in what Envoy's workers share, as each has a VM of its own: 65,536 cells, whose number is a part of
// the hash of what is counted. A cell has an entry for each that has requests in progress, known by the whole hash, so
// that memory has a bound whoever calls. Workers that make a cell at the same time for the first time may lose one's
// count: then one request more gets through, once. What a VM remembers is which stream was counted.

typedef unsigned int u32;
typedef unsigned long long u64;

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name))) u32 name
#define EXPORT __attribute__((visibility("default"), used))

IMPORT(proxy_get_header_map_value)(u32 map, const char *name, u32 name_size, char **value, u32 *size);
IMPORT(proxy_get_buffer_bytes)(u32 buffer, u32 start, u32 length, char **value, u32 *size);
IMPORT(proxy_get_shared_data)(const void *key, u32 key_size, char **value, u32 *size, u32 *version);
IMPORT(proxy_set_shared_data)(const void *key, u32 key_size, const void *value, u32 size, u32 version);
IMPORT(proxy_send_local_response)(u32 status, const char *details, u32 details_size, const char *body, u32 body_size,
                                  const char *headers, u32 headers_size, u32 grpc_status);

enum { OK = 0, CONTINUE = 0, STOP = 1, TOO_MANY_REQUESTS = 429, RESOURCE_EXHAUSTED = 8 };
enum { REQUEST_HEADERS = 0, PLUGIN_CONFIGURATION = 7 };
enum { CELLS = 1 << 16, BUCKETS = 1 << 14, CONTEXTS = 1 << 16, SCRATCH = 1 << 17 };

static const char SUBJECT[] = "x-kea-subject";
static const char CONSUMER[] = "consumer ", CONSUMER_DETAILS[] = "consumer_at_limit";
static const char PROJECT[] = "project ", PROJECT_DETAILS[] = "project_at_limit";

// What the host hands over lies here until the next call of the host begins.
static char scratch[SCRATCH];
static u32 scratch_used;

EXPORT void proxy_abi_version_0_2_1(void) {}

EXPORT void *proxy_on_memory_allocate(u32 size) {
  size = (size + 7) & ~7u;
  if (size > SCRATCH - scratch_used) return 0;
  void *place = scratch + scratch_used;
  scratch_used += size;
  return place;
}

// FNV-1a, 64 bits.
static const u64 EMPTY = 14695981039346656037ull;

static u64 hashed(u64 hash, const char *text, u32 size) {
  for (u32 i = 0; i < size; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211ull;
  return hash;
}

// Contexts by id: of a configuration its limit and the hash of whose that is, of a counted stream the hash under which
// it counts.
enum kind { STREAM, OF_CONSUMERS, OF_PROJECT };

struct context {
  u64 hash;
  enum kind kind;
  u32 id, most, next;
};

static struct context contexts[CONTEXTS];
static u32 buckets[BUCKETS], unused, made;  // indices into `contexts`, of which 0 is none

static u32 *place_of(u32 id) {
  u32 *place = &buckets[id % BUCKETS];
  while (*place && contexts[*place].id != id) place = &contexts[*place].next;
  return place;
}

static int remember(u32 id, enum kind kind, u64 hash, u32 most) {
  u32 index = unused;
  if (index) {
    unused = contexts[index].next;
  } else if (made + 1 < CONTEXTS) {
    index = ++made;
  } else {
    return 0;
  }
  u32 *bucket = &buckets[id % BUCKETS];
  contexts[index] = (struct context){hash, kind, id, most, *bucket};
  *bucket = index;
  return 1;
}

static void forget(u32 *place) {
  u32 index = *place;
  *place = contexts[index].next;
  contexts[index].next = unused;
  unused = index;
}

struct entry {
  u64 hash;
  u32 count;
} __attribute__((packed));

// Counts one more if there are less than `most`, or one less where `most` is 0; returns whether it did.
static int counted(u64 hash, u32 most) {
  unsigned short cell = (unsigned short)(hash ^ hash >> 32);
  for (;;) {
    scratch_used = 0;
    struct entry *entries = 0;
    u32 size = 0, version = 0;
    if (proxy_get_shared_data(&cell, sizeof cell, (char **)&entries, &size, &version) != OK) size = 0;
    u32 length = size / sizeof(struct entry), at = 0;
    if (!entries) entries = (struct entry *)scratch;
    while (at < length && entries[at].hash != hash) at++;
    if (most) {
      if (at == length) {
        if ((char *)(entries + length + 1) > scratch + SCRATCH) return 0;
        entries[length++] = (struct entry){hash, 0};
      }
      if (entries[at].count >= most) return 0;
      entries[at].count++;
    } else {
      if (at == length) return 0;
      if (--entries[at].count == 0) entries[at] = entries[--length];
    }
    if (proxy_set_shared_data(&cell, sizeof cell, entries, length * sizeof(struct entry), version) == OK) return 1;
  }
}

static int begins(const char *text, u32 size, const char *with, u32 length) {
  u32 at = 0;
  while (at < length && at < size && text[at] == with[at]) at++;
  return at == length;
}

// The configuration is the limit in decimal, a space, and `consumer ENDPOINT` or `project PROJECT`.
EXPORT u32 proxy_on_configure(u32 root, u32 size) {
  scratch_used = 0;
  char *text;
  if (!size || proxy_get_buffer_bytes(PLUGIN_CONFIGURATION, 0, size, &text, &size) != OK) return 0;
  u32 most = 0, at = 0;
  for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) most = most * 10 + (u32)(text[at] - '0');
  if (!most || at == size || text[at++] != ' ') return 0;
  enum kind kind = STREAM;
  if (begins(text + at, size - at, CONSUMER, sizeof CONSUMER - 1)) kind = OF_CONSUMERS;
  if (begins(text + at, size - at, PROJECT, sizeof PROJECT - 1)) kind = OF_PROJECT;
  return kind != STREAM && remember(root, kind, hashed(EMPTY, text + at, size - at), most);
}

// A stream's context is made just before its headers come.
static u32 newest, newest_root;

EXPORT void proxy_on_context_create(u32 id, u32 root) {
  newest = id;
  newest_root = root;
}

static u32 refuse(const char *details, u32 size) {
  proxy_send_local_response(TOO_MANY_REQUESTS, details, size, "", 0, "", 0, RESOURCE_EXHAUSTED);
  return STOP;
}

EXPORT u32 proxy_on_request_headers(u32 id, u32 headers, u32 ends) {
  (void)headers, (void)ends;
  u32 index = newest == id ? *place_of(newest_root) : 0;
  if (!index) return CONTINUE;
  struct context limit = contexts[index];
  u64 hash = limit.hash;
  if (limit.kind == OF_CONSUMERS) {
    char *subject;
    u32 size;
    scratch_used = 0;
    if (proxy_get_header_map_value(REQUEST_HEADERS, SUBJECT, sizeof SUBJECT - 1, &subject, &size) != OK)
      return CONTINUE;
    hash = hashed(hashed(hash, "", 1), subject, size);  // 0 between the two: each has its own
  }
  if (remember(id, STREAM, hash, 0)) {
    if (counted(hash, limit.most)) return CONTINUE;
    forget(place_of(id));
  }
  if (limit.kind == OF_PROJECT) return refuse(PROJECT_DETAILS, sizeof PROJECT_DETAILS - 1);
  return refuse(CONSUMER_DETAILS, sizeof CONSUMER_DETAILS - 1);
}

EXPORT void proxy_on_delete(u32 id) {
  u32 *place = place_of(id);
  if (!*place) return;
  struct context known = contexts[*place];
  forget(place);
  if (known.kind == STREAM) counted(known.hash, 0);
}
