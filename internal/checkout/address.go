package checkout

import (
	"net/url"
	"unicode"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/id"
)

// addressMax is the most bytes of a merchant's address.
const addressMax = 2000

// checkAddress refuses an address that payers should not be sent to: not absolute, of another scheme than http(s), with
// a name and password in it or a fragment; live, without TLS. "" is none. Errors: checkout.bad_url.
func (c *Checkouts) checkAddress(param, text string) error {
	if text == "" {
		return nil
	}
	bad := fault.New(fault.Invalid, "checkout.bad_url", "this is no address that a payer can be sent to").
		WithParam(param).WithHint("write it whole, like https://shop.example/thanks, without name, password and #")
	address, err := url.Parse(text)
	if err != nil || len(text) > addressMax || address.Hostname() == "" || address.User != nil || address.Opaque != "" ||
		address.Fragment != "" || hasBlank(text) {
		return bad
	}
	if address.Scheme == "https" || address.Scheme == "http" && !c.Live {
		return nil
	}
	return bad
}

func hasBlank(s string) bool {
	for _, r := range s {
		if unicode.IsControl(r) || unicode.IsSpace(r) || r == '\\' {
			return true
		}
	}
	return false
}

// comeBack is the merchant's address with the payment's id: the shop reads the state by it, and believes no more of
// what a browser brings. "" stays "".
func comeBack(address string, name id.Payment) string {
	parsed, err := url.Parse(address)
	if address == "" || err != nil {
		return ""
	}
	query := parsed.Query()
	query.Set("payment_id", string(name))
	parsed.RawQuery = query.Encode()
	return parsed.String()
}
