package httpsig

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"
)

// The key of RFC 9421 appendix B.1.4 (published for tests) and the signature of appendix B.2.6.
const (
	vectorSeed   = "n4Ni-HpISpVObnQMW0wOhCKROaIKqKtW_2ZYb2p9KcU"
	vectorPublic = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"
	vectorParams = `("date" "@method" "@path" "@authority" "content-type" "content-length")` +
		`;created=1618884473;keyid="test-key-ed25519"`
	vectorSignature = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
	vectorBase      = `"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ` + vectorParams
)

// vectorRequest is test-request of RFC 9421 appendix B.2, as signed in B.2.6.
func vectorRequest() Message {
	return Message{
		Method: "POST", Authority: "example.com", Path: "/foo", RawQuery: "param=Value&Pet=dog",
		Header: http.Header{
			"Date":            {"Tue, 20 Apr 2021 02:07:55 GMT"},
			"Content-Type":    {"application/json"},
			"Content-Length":  {"18"},
			"Signature-Input": {"sig-b26=" + vectorParams},
			"Signature":       {"sig-b26=:" + vectorSignature + ":"},
		},
		Body: []byte(`{"hello": "world"}`),
	}
}

func decode(t *testing.T, encoding *base64.Encoding, s string) []byte {
	t.Helper()
	raw, err := encoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestVector_B26(t *testing.T) {
	t.Parallel()
	message := vectorRequest()
	found, err := findSignature(message.Header, "test-key-ed25519")
	if err != nil {
		t.Fatal(err)
	}
	base, err := signatureBase(message, found.covered)
	if err != nil || string(base) != vectorBase {
		t.Fatalf("base %v:\n%s", err, base)
	}
	private := ed25519.NewKeyFromSeed(decode(t, base64.RawURLEncoding, vectorSeed))
	if got := base64.StdEncoding.EncodeToString(ed25519.Sign(private, base)); got != vectorSignature {
		t.Errorf("signature %s", got)
	}
	if !ed25519.Verify(decode(t, base64.RawURLEncoding, vectorPublic), base, found.bytes) {
		t.Error("the RFC's signature does not verify")
	}
}

// The RFC's signature is right and still refused: it covers neither the query nor the body.
func TestVector_B26_CoversTooLittle(t *testing.T) {
	t.Parallel()
	key := PublicKey{ID: "test-key-ed25519", Key: decode(t, base64.RawURLEncoding, vectorPublic)}
	if _, err := Verify(vectorRequest(), key, time.Unix(1618884473, 0)); err == nil {
		t.Error("verified")
	}
}

// The body and digest of RFC 9530 appendix D and RFC 9421 appendix B.2.
func TestVector_ContentDigest(t *testing.T) {
	t.Parallel()
	got, err := contentDigest([]byte(`{"hello": "world"}`))
	if want := "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"; err != nil || got != want {
		t.Errorf("got %s, %v", got, err)
	}
}

// The lines of RFC 9421 §2.1, §2.1.2, §2.2.6 and §2.2.7.
func TestVector_Components(t *testing.T) {
	t.Parallel()
	message := Message{
		Method: "GET", Authority: "www.example.com", RawQuery: "",
		Header: http.Header{
			"X-Ows-Header":   {"   Leading and trailing whitespace.   "},
			"Cache-Control":  {"max-age=60", "   must-revalidate"},
			"X-Empty-Header": {""},
			"Example-Dict":   {" a=1,    b=2;x=1;y=2,   c=(a   b   c), d"},
		},
	}
	keyed := func(name, key string) httpsfv.Item {
		item := httpsfv.NewItem(name)
		item.Params.Add("key", key)
		return item
	}
	for _, tc := range []struct {
		item httpsfv.Item
		want string
	}{
		{httpsfv.NewItem("x-ows-header"), "Leading and trailing whitespace."},
		{httpsfv.NewItem("cache-control"), "max-age=60, must-revalidate"},
		{httpsfv.NewItem("x-empty-header"), ""},
		{keyed("example-dict", "a"), "1"},
		{keyed("example-dict", "b"), "2;x=1;y=2"},
		{keyed("example-dict", "c"), "(a b c)"},
		{keyed("example-dict", "d"), "?1"},
		{httpsfv.NewItem("@path"), "/"},
		{httpsfv.NewItem("@query"), "?"},
	} {
		if got, err := component(message, tc.item); err != nil || got != tc.want {
			t.Errorf("%v: got %q, %v; want %q", tc.item, got, err, tc.want)
		}
	}
}
