package auth

import (
	"fmt"
	"sync"
	"time"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/party"
)

// The lockout of login passwords and of payment PINs: five wrong ones in a row lock for 15 minutes;
// five more after that, and every five more, for an hour. A right one begins again at zero. While
// locked, even the right one is refused, and nothing is counted.
//
// For a PIN of six digits that is at most 125 guesses on the first day.
const (
	triesMax  = 5
	lockFirst = 15 * time.Minute
	lockLater = time.Hour
)

// tries are the wrong tries since the last right one.
type tries struct {
	failures    int64
	lockedUntil time.Time
}

// wait returns how long the lock still holds; 0 means not locked.
func (t tries) wait(now time.Time) time.Duration { return max(t.lockedUntil.Sub(now), 0) }

// missed returns the tries after one more wrong one.
func (t tries) missed(now time.Time) tries {
	t.failures++
	if t.failures == triesMax {
		t.lockedUntil = now.Add(lockFirst)
	} else if t.failures%triesMax == 0 {
		t.lockedUntil = now.Add(lockLater)
	}
	return t
}

// left returns how many wrong tries are left before the next lock.
func (t tries) left() int64 { return triesMax - t.failures%triesMax }

// inWords says a time to wait, in minutes rounded up.
func inWords(wait time.Duration) string {
	minutes := int64((wait + time.Minute - 1) / time.Minute)
	if minutes == 1 {
		return "1 minute"
	}
	return fmt.Sprintf("%d minutes", minutes)
}

func badCredentials() *fault.Fault {
	return fault.New(fault.Unauthenticated, "auth.bad_credentials", "the login or the password is wrong")
}

func loginLocked(wait time.Duration) *fault.Fault {
	return fault.Newf(fault.Limited, "auth.login_locked",
		"too many wrong passwords; try again in %s", inWords(wait)).WithRetryAfter(wait)
}

// strangers counts wrong tries for logins that nobody has, so that they answer as the known ones do.
type strangers struct {
	mu    sync.Mutex
	tries *party.Bounded[string, tries]
}

func (s *strangers) wait(login string, now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, _ := s.tries.Get(login)
	return known.wait(now)
}

// miss counts one more wrong try and returns the answer to it.
func (s *strangers) miss(login string, now time.Time) *fault.Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, _ := s.tries.Get(login)
	if wait := known.wait(now); wait > 0 {
		return loginLocked(wait)
	}
	known = known.missed(now)
	s.tries.Put(login, known)
	if wait := known.wait(now); wait > 0 {
		return loginLocked(wait)
	}
	return badCredentials()
}
