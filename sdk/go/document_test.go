package feiqian_test

import (
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	feiqian "github.com/feiqian/feiqian/sdk/go"
)

// TestDocuments verifies the documents that both SDKs are tested with.
func TestDocuments(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("../testdata/documents.json")
	if err != nil {
		t.Fatal(err)
	}
	var known struct {
		Keys    json.RawMessage     `json:"keys"`
		Result  string              `json:"app_result"`
		Order   feiqian.Instruction `json:"order"`
		Payment feiqian.Instruction `json:"payment"`
	}
	if err := json.Unmarshal(body, &known); err != nil {
		t.Fatal(err)
	}
	keys, err := feiqian.ParsePlatformKeys(known.Keys)
	if err != nil {
		t.Fatal(err)
	}
	then := time.Unix(1_800_000_001, 0)
	result, err := keys.VerifyAppResult("exampleshop://paid?feiqian_result="+known.Result, then)
	if err != nil || result.State != "succeeded" || result.Amount != 1999 {
		t.Errorf("%+v %v", result, err)
	}
	if _, err := keys.VerifyAppResult(known.Result, then.Add(time.Hour)); !errors.Is(err, feiqian.ErrAppResult) {
		t.Errorf("too old: %v", err)
	}
	if _, err := (feiqian.PlatformKeys{}).VerifyAppResult(known.Result, then); !errors.Is(err, feiqian.ErrAppResult) {
		t.Errorf("without keys: %v", err)
	}
	for _, half := range []feiqian.Instruction{known.Order, known.Payment} {
		if err := keys.VerifyInstruction(half); err != nil {
			t.Error(err)
		}
		half.Text += " "
		if err := keys.VerifyInstruction(half); !errors.Is(err, feiqian.ErrInstruction) {
			t.Errorf("changed: %v", err)
		}
	}
}
