package webhook

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/apiversion"
	"github.com/feiqian/feiqian/internal/fault"
)

// The limits of deliveries; docs/webhooks.md publishes them.
const (
	// SendTimeout is how long an endpoint may take for its status; Standard Webhooks asks for 15 to 30 s.
	SendTimeout = 15 * time.Second
	// FailingMax is how long an endpoint may fail without one success.
	FailingMax = 5 * 24 * time.Hour
	// SecretOverlap is how long a rotated secret signs on, and the longest that may be asked for.
	SecretOverlap = 24 * time.Hour
	// PayloadMax is the largest body; an event that is larger is sent without its data. Standard Webhooks asks for less
	// than 20 kB.
	PayloadMax = 20_000
	// AnswerKept is how many bytes of an answer the log keeps.
	AnswerKept = 512
	// Kept is how long the log is kept.
	Kept = 30 * 24 * time.Hour
	// EndpointsMax is how many endpoints a merchant may have.
	EndpointsMax = 20
	// ReplayMax is how many events one replay queues.
	ReplayMax = 10_000

	kindsMax      = 50
	kindLengthMax = 64
	urlMax        = 1000
	retryAfterMax = 24 * time.Hour
)

// Waits are the times between the tries of one delivery, from the end of one to the next: the table of Standard
// Webhooks.
// The first try is at once; behind the last wait comes the last try.
func Waits() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
		14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
}

// wait returns the time until the next try behind failed try n (1 is the first), longer where the endpoint asks for it;
// false behind the last.
func wait(attempt int64, asked time.Duration) (time.Duration, bool) {
	table := Waits()
	if attempt > int64(len(table)) {
		return 0, false
	}
	return max(table[max(attempt, 1)-1], min(asked, retryAfterMax)), true
}

// checkVersion returns the version, or the newest for "". Errors: webhook.unknown_version.
func checkVersion(version string) (string, error) {
	if version == "" {
		return apiversion.Newest(), nil
	}
	if !apiversion.Known(version) {
		return "", fault.Newf(fault.Invalid, "webhook.unknown_version", "there is no API version %q", version).
			WithParam("api_version").WithHint("use one of " + strings.Join(apiversion.Versions(), ", ") + ", or leave it out")
	}
	return version, nil
}

var kindPattern = regexp.MustCompile(`^(\*|[a-z][a-z_]*\.(\*|[a-z][a-z_]*))$`)

// checkKinds returns the patterns sorted and once each; none means all events. Errors: webhook.bad_kind.
func checkKinds(kinds []string) ([]string, error) {
	if len(kinds) == 0 {
		return []string{"*"}, nil
	}
	for _, kind := range kinds {
		if len(kind) > kindLengthMax || !kindPattern.MatchString(kind) {
			return nil, fault.New(fault.Invalid, "webhook.bad_kind", "this is no kind of event").WithParam("kinds").
				WithHint("write a kind such as payment.succeeded, all of a subject as payment.*, or everything as *")
		}
	}
	if len(kinds) > kindsMax {
		return nil, fault.Newf(fault.Invalid, "webhook.bad_kind", "at most %d kinds", kindsMax).WithParam("kinds").
			WithHint("use patterns such as payment.*")
	}
	return slices.Compact(slices.Sorted(slices.Values(kinds))), nil
}

// Matches reports whether one of the patterns is for a kind.
func Matches(kinds []string, kind string) bool {
	subject, _, _ := strings.Cut(kind, ".")
	for _, pattern := range kinds {
		if pattern == "*" || pattern == kind || pattern == subject+".*" {
			return true
		}
	}
	return false
}

// checkURL checks the form; where it leads is the sender's to check. Errors: webhook.bad_url.
func checkURL(raw string) error {
	parsed, err := url.Parse(raw)
	switch {
	case err != nil, len(raw) > urlMax, parsed.Host == "", parsed.Hostname() == "", strings.ContainsAny(raw, " \t\r\n"):
		return BadURL("this is not a URL")
	case parsed.Scheme != "https" && parsed.Scheme != "http":
		return BadURL("a webhook URL begins with https://")
	case parsed.User != nil:
		return BadURL("a webhook URL holds no user name or password: the signature proves who calls")
	case parsed.Fragment != "":
		return BadURL("a webhook URL has no fragment")
	}
	return nil
}

// BadURL is the refusal of a URL.
func BadURL(message string) error {
	return fault.New(fault.Invalid, "webhook.bad_url", message).WithParam("url").
		WithHint("name a page of your server that the internet can reach, such as https://shop.example/feiqian")
}
