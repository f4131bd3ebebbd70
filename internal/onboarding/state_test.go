package onboarding_test

import (
	"slices"
	"testing"

	"github.com/feiqian/feiqian/internal/fault"
	"github.com/feiqian/feiqian/internal/onboarding"
)

// TestMoves tries every pair of states.
func TestMoves(t *testing.T) {
	t.Parallel()
	allowed := []string{
		"draft submitted", "submitted more_needed", "submitted approved", "submitted refused", "more_needed submitted",
	}
	for _, from := range onboarding.States() {
		for _, to := range onboarding.States() {
			got, err := from.Move(to)
			if slices.Contains(allowed, string(from)+" "+string(to)) {
				if err != nil || got != to {
					t.Errorf("%s to %s: %s, %v", from, to, got, err)
				}
			} else if fault.CodeOf(err) != "onboarding.state_conflict" || got != from {
				t.Errorf("%s to %s: %s, %v", from, to, got, err)
			}
		}
	}
}

func TestMediaTypeOf(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"\xff\xd8\xff\xe0JFIF": "image/jpeg", "\x89PNG\r\n\x1a\n...": "image/png", "%PDF-1.7\n": "application/pdf",
		"": "", "%PD": "", "GIF89a": "", "<svg onload=alert(1)>": "", "PK\x03\x04": "", " %PDF-1.7": "", "MZ": "",
	} {
		if got := onboarding.MediaTypeOf([]byte(content)); got != want {
			t.Errorf("%q is %q, want %q", content, got, want)
		}
	}
}
