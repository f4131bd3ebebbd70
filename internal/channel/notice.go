package channel

import (
	"time"

	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/money"
)

// Callback is a message that a channel sent to us by HTTP, as plain values: Path is the escaped
// path and RawQuery the query as it stood in the request line, since both are signed. Header keys
// are in canonical form.
type Callback struct {
	Method   string
	Path     string
	RawQuery string
	Header   map[string][]string
	Body     []byte
}

// Notice is a verified message about one order of ours.
//
// Receive it as a hint. It may come before the answer to the order itself, late, several times
// (ID is the same each time), or say the opposite of what the channel said before: so look up the
// attempt by Reference, compare Kind and Amount with it, and hand Result.Outcome to
// AttemptState.Next; a contradiction changes nothing and goes to a person. A reference that we do not
// have is answered 2xx and reported. Result.Outcome is succeeded, declined or pending, never unknown
// or not found.
type Notice struct {
	ID        string
	Reference id.Attempt
	Kind      Kind
	Result    Result
	Amount    money.Amount
	SignedAt  time.Time
}
