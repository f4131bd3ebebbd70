package party

import (
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/clock"
)

// Bounded is a map that holds at most about twice its size and forgets what nobody asked for lately:
// two generations, of which the older is dropped when the younger is full. It is not safe for many
// goroutines by itself.
type Bounded[K comparable, V any] struct {
	size       int
	young, old map[K]V
}

// NewBounded returns an empty map of size entries a generation.
func NewBounded[K comparable, V any](size int) *Bounded[K, V] {
	return &Bounded[K, V]{size: size, young: map[K]V{}, old: map[K]V{}}
}

// Get returns the value of key and keeps it young.
func (b *Bounded[K, V]) Get(key K) (V, bool) {
	if value, there := b.young[key]; there {
		return value, true
	}
	value, there := b.old[key]
	if there {
		b.Put(key, value)
	}
	return value, there
}

// Put sets the value of key.
func (b *Bounded[K, V]) Put(key K, value V) {
	if _, there := b.young[key]; !there && len(b.young) >= b.size {
		b.old, b.young = b.young, make(map[K]V, b.size/2)
	}
	b.young[key] = value
}

// Delete forgets key.
func (b *Bounded[K, V]) Delete(key K) {
	delete(b.young, key)
	delete(b.old, key)
}

// Clear forgets everything.
func (b *Bounded[K, V]) Clear() {
	clear(b.young)
	clear(b.old)
}

// Len returns how many entries are held, those of both generations counted twice.
func (b *Bounded[K, V]) Len() int { return len(b.young) + len(b.old) }

// Recent remembers for a moment what was read from the database, so that a change made on another node is
// seen at most that moment later. It holds no errors. It is safe for many goroutines.
type Recent[K comparable, V any] struct {
	clock  *clock.Clock
	moment time.Duration

	mu     sync.Mutex
	epoch  int64 // counts changes made on this node
	values *Bounded[K, read[V]]
}

type read[V any] struct {
	value V
	at    time.Time
}

// NewRecent returns a memory that serves a value for moment after it was read and holds about size to
// twice size values.
func NewRecent[K comparable, V any](clk *clock.Clock, moment time.Duration, size int) *Recent[K, V] {
	return &Recent[K, V]{clock: clk, moment: moment, values: NewBounded[K, read[V]](size)}
}

// Get returns the value of key, from memory where it is fresh and by load otherwise. Errors: load's.
func (r *Recent[K, V]) Get(key K, load func() (V, error)) (V, error) {
	now := r.clock.Now()
	r.mu.Lock()
	known, there := r.values.Get(key)
	epoch := r.epoch
	r.mu.Unlock()
	if age := now.Sub(known.at); there && age >= 0 && age < r.moment {
		return known.value, nil
	}
	value, err := load()
	if err != nil {
		var none V
		return none, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.epoch == epoch { // otherwise the value may have been read before the change
		r.values.Put(key, read[V]{value: value, at: now})
	}
	return value, nil
}

// Forget drops key, whose value was changed on this node; call it after the commit. A value that is
// being read at the time is not kept.
func (r *Recent[K, V]) Forget(key K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	r.values.Delete(key)
}

// ForgetAll drops everything, as Forget does for one key.
func (r *Recent[K, V]) ForgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	r.values.Clear()
}
