package httpsig_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/feiqian/feiqian/internal/httpsig"
)

// resign puts a signature that a mistaken signer makes of the base in place of the right one.
func resign(t *testing.T, algorithm httpsig.Algorithm, sign func(base []byte) ([]byte, error)) httpsig.Diagnosis {
	t.Helper()
	message := signed(t, algorithm)
	parsed, wrong := httpsig.Read(message.Header)
	if wrong != nil {
		t.Fatal(wrong)
	}
	base, err := parsed[0].Base(message)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := sign(base)
	if err != nil {
		t.Fatal(err)
	}
	message.Header.Set("Signature", "sig=:"+base64.StdEncoding.EncodeToString(signature)+":")
	var others []httpsig.Key
	for _, by := range signings() {
		others = append(others, publicOf(t, by))
	}
	if _, wrong := httpsig.CheckRequest(message, finder(t), now); wrong == nil || wrong.Code != httpsig.CodeWrong {
		t.Fatalf("the mistake passes: %v", wrong)
	}
	return httpsig.Diagnose(httpsig.Question{Message: message, Find: finder(t), Others: others, Now: now})
}

// TestDiagnose_Mistakes makes each mistake that signers make and wants it named.
func TestDiagnose_Mistakes(t *testing.T) {
	t.Parallel()
	ed, _ := signings()[httpsig.Ed25519].Private.(ed25519.PrivateKey)
	ec, _ := signings()[httpsig.ECDSAP256].Private.(*ecdsa.PrivateKey)
	rs, _ := signings()[httpsig.RSAPSS].Private.(*rsa.PrivateKey)
	by := func(algorithm httpsig.Algorithm, change func(base string) string) func(base []byte) ([]byte, error) {
		return func(base []byte) ([]byte, error) {
			return httpsig.SignWith(signings()[algorithm].Private, algorithm, []byte(change(string(base))))
		}
	}
	same := func(base string) string { return base }
	replace := func(old, with string) func(string) string {
		return func(base string) string { return strings.ReplaceAll(base, old, with) }
	}
	for name, test := range map[string]struct {
		algorithm httpsig.Algorithm
		sign      func(base []byte) ([]byte, error)
		says      string
	}{
		"ECDSA_ASN1": {httpsig.ECDSAP256, func(base []byte) ([]byte, error) {
			sum := sha256.Sum256(base)
			return ecdsa.SignASN1(rand.Reader, ec, sum[:])
		}, "ASN.1"},
		"ECDSA_HashedTwice": {httpsig.ECDSAP256, func(base []byte) ([]byte, error) {
			sum := sha256.Sum256(base)
			return httpsig.SignWith(ec, httpsig.ECDSAP256, sum[:])
		}, "twice"},
		"Ed25519_Hashed": {httpsig.Ed25519, func(base []byte) ([]byte, error) {
			sum := sha512.Sum512(base)
			return ed25519.Sign(ed, sum[:]), nil
		}, "hash of the base"},
		"PSS_Salt": {httpsig.RSAPSS, func(base []byte) ([]byte, error) {
			sum := sha512.Sum512(base)
			return rsa.SignPSS(rand.Reader, rs, crypto.SHA512, sum[:], &rsa.PSSOptions{SaltLength: 20})
		}, "salt length"},
		"PSS_SHA256": {httpsig.RSAPSS, func(base []byte) ([]byte, error) {
			sum := sha256.Sum256(base)
			return rsa.SignPSS(rand.Reader, rs, crypto.SHA256, sum[:], nil)
		}, "PSS with SHA-256"},
		"PSS_ButPKCS1":   {httpsig.RSAPSS, by(httpsig.RSAPKCS1, same), "rsa-v1_5-sha256"},
		"PKCS1_ButPSS":   {httpsig.RSAPKCS1, by(httpsig.RSAPSS, same), "rsa-pss-sha512"},
		"SM2_UserID":     {httpsig.SM2, signSM2Empty, "empty user id"},
		"OtherKey":       {httpsig.Ed25519, by(httpsig.ECDSAP256, same), "by your key sgk_ecdsa-p256-sha256"},
		"TrailingLF":     {httpsig.Ed25519, by(httpsig.Ed25519, func(s string) string { return s + "\n" }), "ends in a line feed"},
		"CRLF":           {httpsig.RSAPSS, by(httpsig.RSAPSS, replace("\n", "\r\n")), "CR LF"},
		"LowerMethod":    {httpsig.SM2, by(httpsig.SM2, replace("POST", "post")), "lower case"},
		"NoQuestionMark": {httpsig.Ed25519, by(httpsig.Ed25519, replace(": ?", ": ")), "question mark"},
		"NoQuotes":       {httpsig.Ed25519, by(httpsig.Ed25519, replaceNames), "no quotes"},
		"NoParams": {httpsig.Ed25519, by(httpsig.Ed25519, func(s string) string {
			return s[:strings.LastIndex(s, "\n")]
		}), "lacks the line @signature-params"},
		"LabelInParams": {
			httpsig.Ed25519, by(httpsig.Ed25519, replace(`"@signature-params": `, `"@signature-params": sig=`)),
			"begins with the label",
		},
		"Nonsense": {httpsig.Ed25519, by(httpsig.Ed25519, func(string) string { return "nonsense" }), "compare the lines"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := resign(t, test.algorithm, test.sign)
			if report.Valid || len(report.Problems) != 1 {
				t.Fatalf("%+v", report.Problems)
			}
			if said := report.Problems[0].Message + " " + report.Problems[0].Hint; !strings.Contains(said, test.says) {
				t.Errorf("says %q, not %q", said, test.says)
			}
		})
	}
}

func signSM2Empty(base []byte) ([]byte, error) {
	private, _ := signings()[httpsig.SM2].Private.(httpsig.SM2Signer)
	return httpsig.SignSM2As(private, "", base)
}

func replaceNames(base string) string {
	lines := strings.Split(base, "\n")
	for i, line := range lines {
		name, value, _ := strings.Cut(line, `": `)
		lines[i] = strings.TrimPrefix(name, `"`) + ": " + value
	}
	return strings.Join(lines, "\n")
}

// TestDiagnose_Lines compares the signer's own base line by line.
func TestDiagnose_Lines(t *testing.T) {
	t.Parallel()
	message := signed(t, httpsig.Ed25519)
	report := httpsig.Diagnose(httpsig.Question{Message: message, Find: finder(t), Now: now})
	if !report.Valid || len(report.Lines) != 6 || report.Lines[0].Line != `"@method": POST` {
		t.Fatalf("%+v", report)
	}
	var own []string
	for _, line := range report.Lines {
		own = append(own, line.Line)
	}
	own[2] = `"@query": ?dry_run=1`
	report = httpsig.Diagnose(httpsig.Question{
		Message: message, Base: strings.Join(own, "\n"), Find: finder(t), Now: now,
	})
	if !report.Lines[2].Differs || report.Lines[2].Yours != own[2] || report.Lines[1].Differs {
		t.Errorf("%+v", report.Lines)
	}
	if len(report.Problems) != 1 || !strings.Contains(report.Problems[0].Message, "line 3") {
		t.Errorf("%+v", report.Problems)
	}
}

// TestDiagnose_HidesSecrets covers the Authorization header and must not show it again.
func TestDiagnose_HidesSecrets(t *testing.T) {
	t.Parallel()
	message := plain()
	message.Header.Set("Signature-Input",
		`sig=("authorization" "@method" "@path");created=1772366400;keyid="sgk_ed25519";nonce="n"`)
	message.Header.Set("Signature", "sig=:AAAA:")
	report := httpsig.Diagnose(httpsig.Question{
		Message: message, Base: `"authorization": Bearer sk_mine`, Find: finder(t), Now: now,
	})
	for _, line := range report.Lines {
		if strings.Contains(line.Line+line.Yours, "sk_") {
			t.Errorf("shows %+v", line)
		}
	}
	if len(report.Lines) != 4 {
		t.Errorf("%+v", report.Lines)
	}
}
