package httpsig

import (
	"maps"
	"net/http"
	"strings"
	"testing"
)

// The public keys of RFC 9421 appendix B.1.2 and B.1.3.
const (
	vectorRSAPSS = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2
+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+
oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHq
gDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5W
Utzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4
aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI
2wIDAQAB
-----END PUBLIC KEY-----`
	vectorP256 = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqIVYZVLCrPZHGHjP17CTW0/+D9Lfw0EkjqF7xB4FivAxzic30tMM4GF+hR6D" +
		"xh71Z50VGGdldkkDXZCnTNnoXQ=="
	vectorEd25519JWK = `{"kty":"OKP","crv":"Ed25519","kid":"test-key-ed25519",` +
		`"x":"JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs"}`
)

// TestVector_B2 holds the signatures of RFC 9421 appendix B.2.1 to B.2.4 and B.2.6 against the RFC's keys.
func TestVector_B2(t *testing.T) {
	t.Parallel()
	request := vectorRequest()
	request.Header.Set(
		"Content-Digest",
		"sha-512=:WZDPaVn/7XgHaAy8pmojAkGWoRx2UFChF41A2svX+TaPm+AbwAgBWnrIiYllu7BNNyealdVLvR"+
			"wEmTHWXvJwew==:",
	)
	answer := Message{Status: http.StatusOK, Body: []byte(`{"message": "good dog"}`), Header: http.Header{
		"Content-Type":   {"application/json"},
		"Content-Length": {"23"},
		"Content-Digest": {
			"sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:",
		},
	}}
	for name, test := range map[string]struct {
		message          Message
		key, input, sign string
	}{
		"B21": {
			request, vectorRSAPSS, `();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`,
			"d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7" +
				"ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c" +
				"0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1b" +
				"LhdxO5Nyt8C8ssinQ98Xw9Q==",
		},
		"B22": {
			request, vectorRSAPSS, `("@authority" "content-digest" "@query-param";name="Pet");created=1618884473;` +
				`keyid="test-key-rsa-pss";tag="header-example"`,
			"LjbtqUbfmvjj5C5kr1Ugj4PmLYvx9wVjZvD9GsTT4F7GrcQEdJzgI9qHxICagShLRiLMlAJjtq6N4CDfKtjvuJyE5qH7KT8UCMkSowOB4+ECx" +
				"CmT8rtAmj/0PIXxi0A0nxKyB09RNrCQibbUjsLS/2YyFYXEu4TRJQzRw1rLEuEfY17SARYhpTlaqwZVtR8NV7+4UKkjqpcAoFqWFQh62s" +
				"7Cl+H2fjBSpqfZUJcsIk4N6wiKYd4je2U/lankenQ99PZfB4jY3I5rSV2DSBVkSFsURIjYErOs0tFTQosMTAoxk//0RoKUqiYY8Bh0aaU" +
				"Eb0rQl3/XaVe4bXTugEjHSw==",
		},
		"B23": {
			request, vectorRSAPSS, `("date" "@method" "@path" "@query" "@authority" "content-type" "content-digest" ` +
				`"content-length");created=1618884473;keyid="test-key-rsa-pss"`,
			"bbN8oArOxYoyylQQUU6QYwrTuaxLwjAC9fbY2F6SVWvh0yBiMIRGOnMYwZ/5MR6fb0Kh1rIRASVxFkeGt683+qRpRRU5p2voTp768ZrCUb38K" +
				"0fUxN0O0iC59DzYx8DFll5GmydPxSmme9v6ULbMFkl+V5B1TP/yPViV7KsLNmvKiLJH1pFkh/aYA2HXXZzNBXmIkoQoLd7YfW91kE9o/C" +
				"CoC1xMy7JA1ipwvKvfrs65ldmlu9bpG6A9BmzhuzF8Eim5f8ui9eH8LZH896+QIF61ka39VBrohr9iyMUJpvRX2Zbhl5ZJzSRxpJyoEZA" +
				"FL2FUo5fTIztsDZKEgM4cUA==",
		},
		"B24": {
			answer, vectorP256, `("@status" "content-type" "content-digest" "content-length");created=1618884473;` +
				`keyid="test-key-ecc-p256"`,
			"wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==",
		},
		"B26": {request, vectorEd25519JWK, vectorParams, vectorSignature},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			key, err := ParseKey(test.key, "")
			if err != nil {
				t.Fatal(err)
			}
			message := test.message
			message.Header = maps.Clone(message.Header)
			message.Header.Set("Signature-Input", "a="+test.input)
			message.Header.Set("Signature", "a=:"+test.sign+":")
			parsed, wrong := Read(message.Header)
			if wrong != nil {
				t.Fatal(wrong)
			}
			base, err := parsed[0].Base(message)
			if err != nil {
				t.Fatal(err)
			}
			if !key.Verify(base, parsed[0].Bytes) {
				t.Errorf("the RFC's signature does not verify over:\n%s", base)
			}
			if key.Verify([]byte(strings.Replace(string(base), "created=1", "created=2", 1)), parsed[0].Bytes) {
				t.Error("another base verifies")
			}
			if wrong := checkBodyDigest(message, parsed[0], key, parsed[0].Created); wrong != nil {
				t.Error(wrong)
			}
		})
	}
}

// The lines of RFC 9421 §2.2.2, §2.2.4, §2.2.5 and §2.2.8.
func TestVector_Derived(t *testing.T) {
	t.Parallel()
	message := Message{
		Method: "GET", Scheme: "https", Authority: "www.example.com", Path: "/path",
		RawQuery: "var=this%20is%20a%20big%0Amultiline%20value&bar=with+plus+whitespace&fa%C3%A7ade%22%3A%20=something",
	}
	query := "/path?" + message.RawQuery
	for component, want := range map[string]string{
		`"@target-uri"`:                              "https://www.example.com" + query,
		`"@request-target"`:                          query,
		`"@scheme"`:                                  "https",
		`"@query-param";name="var"`:                  "this%20is%20a%20big%0Amultiline%20value",
		`"@query-param";name="bar"`:                  "with%20plus%20whitespace",
		`"@query-param";name="fa%C3%A7ade%22%3A%20"`: "something",
	} {
		message.Header = http.Header{"Signature-Input": {"a=(" + component + ");created=1"}, "Signature": {"a=:AA==:"}}
		parsed, wrong := Read(message.Header)
		if wrong != nil {
			t.Fatal(wrong)
		}
		base, err := parsed[0].Base(message)
		if first, _, _ := strings.Cut(string(base), "\n"); err != nil || first != component+": "+want {
			t.Errorf("got %s, %v; want %s", first, err, want)
		}
	}
}
