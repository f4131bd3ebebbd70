package checkout

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/feiqian/feiqian/internal/audit"
	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/commit"
	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
	"github.com/feiqian/feiqian/internal/outbox"
)

// Limits of the origins of a merchant.
const (
	OriginsMax   = 20
	OriginLength = 200 // bytes
)

// Origins are the sites that may show a merchant's checkout page within their own pages: browsers show it there and
// nowhere else (Content-Security-Policy, frame-ancestors), and the page tells its state to them alone.
type Origins struct {
	Merchant  id.Merchant `json:"-"`
	Origins   []string    `json:"origins" doc:"Like https://shop.example, without a path; none shows the page in a window of its own only."`
	ChangedAt time.Time   `json:"changed_at,omitzero"`
}

// host is what stands between scheme and port. It goes into a header and into a script's argument: nothing but names
// and IPv4 addresses, without a wildcard. (Names of other scripts are written in punycode; CSP knows no IPv6.)
var host = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$`)

// parseOrigin reads an origin (RFC 6454 §6.2) as browsers write it: lower case, without the scheme's own port. Live
// wants https. Errors: checkout.bad_origin.
func parseOrigin(text string, live bool) (string, error) {
	bad := fault.Newf(fault.Invalid, "checkout.bad_origin", "%.80q is not the origin of a site", text).
		WithParam("origins").WithHint("write scheme, name and port only, like https://shop.example; https in a live instance")
	address, err := url.Parse(strings.ToLower(text))
	if err != nil || len(text) > OriginLength || address.Scheme+"://"+address.Host != strings.ToLower(text) ||
		!host.MatchString(address.Hostname()) {
		return "", bad
	}
	if address.Scheme != "https" && (live || address.Scheme != "http") {
		return "", bad
	}
	if port := address.Port(); strings.HasSuffix(address.Host, ":") || port != "" && !isPort(port) {
		return "", bad
	}
	own := map[string]string{"https": ":443", "http": ":80"}[address.Scheme]
	return address.Scheme + "://" + strings.TrimSuffix(address.Host, own), nil
}

// isPort reports whether text is a port as browsers write it: 1 to 65535 without zeros in front.
func isPort(text string) bool {
	number := 0
	for _, digit := range text {
		if number = number*10 + int(digit-'0'); number > 65_535 { //nolint:mnd // RFC 6335 §6
			return false
		}
	}
	return text[0] != '0'
}

// SetOrigins replaces the origins of a merchant; none takes the page out of other pages. Pages that are open stay.
// Errors: checkout.bad_origin, checkout.too_many_origins.
func (c *Checkouts) SetOrigins(ctx context.Context, merchant id.Merchant, asked []string) (Origins, error) {
	if len(asked) > OriginsMax {
		return Origins{}, fault.Newf(fault.Invalid, "checkout.too_many_origins", "a merchant has at most %d origins",
			OriginsMax).WithParam("origins")
	}
	wanted := Origins{Merchant: merchant, Origins: []string{}}
	for _, text := range asked {
		origin, err := parseOrigin(text, c.Live)
		if err != nil {
			return Origins{}, err
		}
		if !slices.Contains(wanted.Origins, origin) {
			wanted.Origins = append(wanted.Origins, origin)
		}
	}
	key := c.origins.Key(string(merchant))
	var out Origins
	err := c.Committer.Do(ctx, []commit.Key{key}, func(tx *commit.Tx) error {
		before, found, err := c.origins.Get(tx, key)
		if err != nil {
			return err
		}
		if out = before; found && slices.Equal(before.Origins, wanted.Origins) {
			return nil
		}
		out = wanted
		out.ChangedAt = tx.Now()
		c.origins.Put(tx, out)
		act := audit.Act{Kind: "checkout_origins.changed", Subject: string(merchant), After: out}
		if found {
			act.Before = before
		}
		if err := c.Trail.Add(ctx, tx, act); err != nil {
			return err
		}
		return c.Outbox.Add(tx, outbox.Event{
			Kind: "checkout_origins.changed", Merchant: merchant, Subject: string(merchant),
		}, out)
	})
	return out, fault.Wrap(err, "set the origins of "+string(merchant))
}

// OriginsOf returns the origins of a merchant; none where it never named some.
func (c *Checkouts) OriginsOf(ctx context.Context, merchant id.Merchant) (Origins, error) {
	out := Origins{Merchant: merchant, Origins: []string{}}
	var (
		text    string
		changed int64
	)
	err := c.DB.Read.QueryRowContext(ctx, "SELECT origins, changed_at FROM checkout_origins WHERE id = $1",
		string(merchant)).Scan(&text, &changed)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	}
	if err != nil {
		return out, fault.Wrap(err, "read the origins of "+string(merchant))
	}
	out.Origins, out.ChangedAt = decodeOrigins(text), clock.FromMicros(changed)
	return out, nil
}

func originsTable(c *commit.Committer) *commit.Table[Origins] {
	return commit.AddTable(c, "checkout_origins",
		commit.Text("id", func(r *Origins) *string { return (*string)(&r.Merchant) }),
		commit.Coded("origins", func(r *Origins) string {
			text, _ := json.Marshal(r.Origins) // a list of texts always can be written
			return string(text)
		}, func(r *Origins, s string) { r.Origins = decodeOrigins(s) }).Mutable(),
		commit.Instant("changed_at", func(r *Origins) *time.Time { return &r.ChangedAt }).Mutable(),
	)
}

func decodeOrigins(text string) []string {
	out := []string{}
	_ = json.Unmarshal([]byte(text), &out) // written by originsTable
	return out
}
