package httpsig

import (
	"errors"
	"sync"
	"time"
)

// Nonces takes each nonce once while its signature could still be accepted, so that a message can't be sent again.
// The zero value is ready. It is safe for many goroutines.
type Nonces struct {
	mu   sync.Mutex
	used map[string]time.Time // when the signature was created
}

// Take notes the nonce of a verified signature and forgets those that Window has closed on. Errors: it was used before.
func (n *Nonces) Take(s Signature, now time.Time) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	for nonce, created := range n.used {
		if now.Sub(created) > Window {
			delete(n.used, nonce)
		}
	}
	if _, used := n.used[s.Nonce]; used {
		return errors.New("the nonce was used before")
	}
	if n.used == nil {
		n.used = make(map[string]time.Time)
	}
	n.used[s.Nonce] = s.Created
	return nil
}
