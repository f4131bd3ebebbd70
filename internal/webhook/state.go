package webhook

import (
	"slices"

	"github.com/feiqian/feiqian/internal/fault"
)

// State is where an endpoint stands.
type State string

const (
	// Enabled endpoints get events; we act next.
	Enabled State = "enabled"
	// Disabled endpoints get none; the merchant acts next.
	Disabled State = "disabled"
	// Deleted endpoints are gone for their merchant; nobody acts.
	Deleted State = "deleted"
)

// next is the one table of moves.
var next = map[State][]State{ //nolint:gochecknoglobals // the one table
	Enabled:  {Disabled, Deleted},
	Disabled: {Enabled, Deleted},
	Deleted:  {},
}

// Move returns the state after a move. Errors: webhook.state_conflict.
func (s State) Move(to State) (State, error) {
	if !slices.Contains(next[s], to) {
		return s, fault.Newf(fault.Conflict, "webhook.state_conflict", "this endpoint is %s already", s)
	}
	return to, nil
}

// Reason is why an endpoint is disabled.
type Reason string

const (
	// ByMerchant is the merchant's own call.
	ByMerchant Reason = "merchant"
	// Failing is no success for FailingMax.
	Failing Reason = "failing"
	// Gone is an answer 410.
	Gone Reason = "gone"
)

// Cause is why something is sent.
type Cause string

const (
	// CauseEvent is that it happened, and the retries that follow.
	CauseEvent Cause = "event"
	// CauseResend and CauseReplay are the merchant's wishes, CauseTest a made-up event.
	CauseResend Cause = "resend"
	// CauseReplay is one of a range.
	CauseReplay Cause = "replay"
	// CauseTest is a made-up event.
	CauseTest Cause = "test"
)

// Outcome is what became of a delivery. Both are final: a retry is another delivery.
type Outcome string

const (
	// Succeeded is an answer 2xx.
	Succeeded Outcome = "succeeded"
	// Failed is any other answer, or none.
	Failed Outcome = "failed"
)

// Problem is why there was no answer that counts.
type Problem string

const (
	// Timeout is no answer in SendTimeout.
	Timeout Problem = "timeout"
	// Unreachable is no connection, or one that broke.
	Unreachable Problem = "unreachable"
	// NoName is a host name that has no address.
	NoName Problem = "no_such_host"
	// BadCertificate is a certificate that does not hold.
	BadCertificate Problem = "bad_certificate"
	// AddressRefused is an address to which nothing is sent: private, link-local, loopback, metadata.
	AddressRefused Problem = "address_refused"
	// Redirected is an answer 3xx: redirects are not followed.
	Redirected Problem = "redirected"
	// BadAnswer is an answer that is not HTTP.
	BadAnswer Problem = "bad_answer"
)
