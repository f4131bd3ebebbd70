package checkout

import (
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
)

func TestParseOrigin(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"https://shop.example":            "https://shop.example",
		"HTTPS://Shop.Example":            "https://shop.example",
		"https://shop.example:443":        "https://shop.example",
		"https://shop.example:8443":       "https://shop.example:8443",
		"https://xn--fiqs8s.example":      "https://xn--fiqs8s.example",
		"https://203.0.113.9":             "https://203.0.113.9",
		"http://localhost:3000":           "http://localhost:3000",
		"http://127.0.0.1:80":             "http://127.0.0.1",
		"":                                "",
		"null":                            "",
		"*":                               "",
		"shop.example":                    "",
		"//shop.example":                  "",
		"https:shop.example":              "",
		"https://":                        "",
		"https://*.shop.example":          "",
		"https://shop.example/":           "",
		"https://shop.example/pay":        "",
		"https://shop.example?x":          "",
		"https://shop.example#x":          "",
		"https://a:b@shop.example":        "",
		"https://shop.example:":           "",
		"https://shop.example:0":          "",
		"https://shop.example:0443":       "",
		"https://shop.example:65536":      "",
		"https://shop.example; img-src *": "",
		"https://shop.example 'self'":     "",
		"https://shop.example,x.example":  "",
		"https://shop..example":           "",
		"https://-shop.example":           "",
		"https://[2001:db8::1]":           "",
		"https://飞钱.example":              "",
		"https://shop.example\n":          "",
		"javascript:alert(1)":             "",
		"data:text/html,x":                "",
		"file://shop.example":             "",
		"https://" + strings.Repeat("a", 200) + ".example": "",
	} {
		got, err := parseOrigin(text, false)
		if got != want || (want == "") != (fault.CodeOf(err) == "checkout.bad_origin") {
			t.Errorf("%q is %q, %v; want %q", text, got, err, want)
		}
	}
	if got, err := parseOrigin("http://shop.example", true); err == nil {
		t.Errorf("live, a site without TLS is %q", got)
	}
}

// FuzzParseOrigin holds that what is accepted can stand in a header's list and is read again as it is.
func FuzzParseOrigin(f *testing.F) {
	f.Add("https://shop.example:8443")
	f.Add("http://127.0.0.1:80")
	f.Fuzz(func(t *testing.T, text string) {
		origin, err := parseOrigin(text, false)
		if err != nil {
			return
		}
		if strings.ContainsAny(origin, " ;,'\"*\r\n") || strings.Count(origin, "/") != 2 {
			t.Errorf("%q is taken as %q", text, origin)
		}
		if again, err := parseOrigin(origin, false); err != nil || again != origin {
			t.Errorf("%q is read again as %q, %v", origin, again, err)
		}
	})
}
