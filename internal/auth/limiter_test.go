package auth_test

import (
	"testing"
	"time"

	"github.com/feiqian/feiqian/internal/auth"
	"github.com/feiqian/feiqian/internal/clock"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	clk := &clock.Clock{}
	l := auth.NewLimiter(clk, auth.Rate{Every: time.Hour, Burst: 3}, 10)
	for range 3 {
		if l.Wait("a") != 0 {
			t.Error("must wait too early")
		}
		if ok, _ := l.Allow("a"); !ok {
			t.Error("refused within the burst")
		}
	}
	for range 2 { // a refused act takes nothing
		if ok, after := l.Allow("a"); ok || after <= 0 || after > time.Hour {
			t.Errorf("allowed %v, after %v", ok, after)
		}
	}
	if wait := l.Wait("a"); wait <= 0 || wait > time.Hour {
		t.Errorf("wait %v", wait)
	}
	if ok, _ := l.Allow("b"); !ok {
		t.Error("another key is refused")
	}
	clk.Advance(time.Hour)
	if ok, _ := l.Allow("a"); !ok {
		t.Error("refused after the time")
	}
	if ok, _ := auth.NewLimiter(clk, auth.Rate{Every: time.Hour}, 10).Allow("a"); ok {
		t.Error("a burst of 0 allows")
	}
}
