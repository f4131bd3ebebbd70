package edge

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/party"
)

// Class names how often a kind of route may be called.
type Class string

// The classes of routes.
const (
	// ClassNone is not limited: what machines ask to see whether we live.
	ClassNone Class = "none"
	// ClassPublic are pages that anybody reads.
	ClassPublic Class = "public"
	// ClassSignIn are sign-ins and registrations; package auth limits logins and failures besides.
	ClassSignIn Class = "sign_in"
	// ClassApply are applications of strangers, which cost staff work.
	ClassApply Class = "apply"
	// ClassApplicant are an applicant's own calls, uploads among them.
	ClassApplicant Class = "applicant"
	// ClassMerchantRead and ClassMerchantWrite are calls of merchants' servers.
	ClassMerchantRead  Class = "merchant_read"
	ClassMerchantWrite Class = "merchant_write"
	// ClassWalletRead and ClassWalletWrite are calls of payers' phones.
	ClassWalletRead  Class = "wallet_read"
	ClassWalletWrite Class = "wallet_write"
	// ClassPortal are calls of merchants' users.
	ClassPortal Class = "portal"
	// ClassStaff are calls of the operator's people.
	ClassStaff Class = "staff"
)

// Per says who is counted.
type Per string

// Whom a class counts.
const (
	PerAddress Per = "address"
	PerKey     Per = "key"
	PerCaller  Per = "caller"
)

// Rate is what one caller may do in a class: Burst at once, and PerSecond of them a second again.
type Rate struct {
	Class     Class
	Per       Per
	PerSecond float64 //nolint:forbidigo // how often, not money
	Burst     int
}

// Classes is the table of rates, counted on each node. A merchant's rate is far above what one merchant needs: it
// stops a loop, not a sale.
func Classes() []Rate {
	return []Rate{
		{ClassPublic, PerAddress, 20, 200},
		{ClassSignIn, PerAddress, 5, 100},
		{ClassApply, PerAddress, 1.0 / 60, 10},
		{ClassApplicant, PerCaller, 2, 60},
		{ClassMerchantRead, PerKey, 500, 2_000},
		{ClassMerchantWrite, PerKey, 10_000, 20_000},
		{ClassWalletRead, PerCaller, 100, 500},
		{ClassWalletWrite, PerCaller, 200, 500},
		{ClassPortal, PerCaller, 20, 200},
		{ClassStaff, PerCaller, 50, 500},
	}
}

// Scaled returns the table with all rates factor times as high.
func Scaled(factor int) []Rate {
	rates := Classes()
	for i := range rates {
		rates[i].PerSecond *= float64(factor) //nolint:forbidigo // how often, not money
		rates[i].Burst *= factor
	}
	return rates
}

// RateOf returns the row of a class; false for ClassNone and for what is no class.
func RateOf(class Class) (Rate, bool) {
	for _, rate := range Classes() {
		if rate.Class == class {
			return rate, true
		}
	}
	return Rate{}, false
}

const (
	rateShards    = 16
	ratesPerShard = 4_096
)

// Limiter counts the calls of one class by the generic cell rate algorithm (ITU-T I.371, virtual scheduling): one
// instant a caller, the one at which all its calls would have been due. It holds a bounded number of callers. It is
// safe for many goroutines.
type Limiter struct {
	rate   Rate
	every  time.Duration // between two calls at the rate
	window time.Duration // what a whole burst takes
	seed   maphash.Seed
	shards [rateShards]struct {
		sync.Mutex
		due *party.Bounded[string, time.Duration]
	}
}

// Room is what a caller has left after a call.
type Room struct {
	OK        bool
	Remaining int
	// Reset is the time until all of the burst is there again, Retry until one more call is.
	Reset, Retry time.Duration
}

// NewLimiter returns a limiter of a rate.
func NewLimiter(rate Rate) *Limiter {
	every := time.Duration(float64(time.Second) / rate.PerSecond) //nolint:forbidigo // how often, not money
	l := &Limiter{rate: rate, every: every, window: every * time.Duration(rate.Burst), seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].due = party.NewBounded[string, time.Duration](ratesPerShard)
	}
	return l
}

// Take counts one call of caller at an instant; now is monotonic, from any begin. A refused call is not counted.
func (l *Limiter) Take(caller string, now time.Duration) Room {
	shard := &l.shards[maphash.String(l.seed, caller)%rateShards]
	shard.Lock()
	defer shard.Unlock()
	due, _ := shard.due.Get(caller)
	due = max(due, now)
	next := due + l.every
	if late := next - now - l.window; late > 0 {
		return Room{Reset: due - now, Retry: late}
	}
	shard.due.Put(caller, next)
	return Room{OK: true, Remaining: int((l.window - (next - now)) / l.every), Reset: next - now}
}

// Window is the time in which a caller at rest gets the whole burst back.
func (l *Limiter) Window() time.Duration { return l.window }

// Rate returns what the limiter counts.
func (l *Limiter) Rate() Rate { return l.rate }
