package party_test

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/clock"
	"github.com/feiqian/feiqian/internal/party"
)

func TestBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 8).Draw(t, "size")
		b := party.NewBounded[int, int](size)
		model := map[int]int{}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			key := rapid.IntRange(0, 20).Draw(t, "key")
			switch rapid.IntRange(0, 2).Draw(t, "act") {
			case 0:
				b.Put(key, i)
				model[key] = i
				if got, there := b.Get(key); !there || got != i {
					t.Fatalf("just put: %d %v", got, there)
				}
			case 1:
				b.Delete(key)
				delete(model, key)
			}
			if got, there := b.Get(key); there && got != model[key] {
				t.Fatalf("key %d is %d, want %d", key, got, model[key])
			}
			if b.Len() > 2*size {
				t.Fatalf("holds %d of %d", b.Len(), size)
			}
		}
	})
}

func TestRecent(t *testing.T) {
	t.Parallel()
	clk := &clock.Clock{}
	r := party.NewRecent[string, int](clk, time.Hour, 10)
	loads := 0
	get := func() int {
		v, err := r.Get("a", func() (int, error) { loads++; return loads, nil })
		if err != nil {
			t.Error(err)
		}
		return v
	}
	for range 2 {
		if get() != 1 {
			t.Error("not remembered")
		}
	}
	clk.Advance(time.Hour)
	if get() != 2 {
		t.Error("too old a value")
	}
	r.Forget("a")
	if get() != 3 {
		t.Error("not forgotten")
	}
	r.ForgetAll()
	if get() != 4 {
		t.Error("not all forgotten")
	}
	_, err := r.Get("b", func() (int, error) { return 7, errors.ErrUnsupported })
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("err = %v", err)
	}
	if v, err := r.Get("b", func() (int, error) { return 8, nil }); v != 8 || err != nil {
		t.Errorf("an error was remembered: %d, %v", v, err)
	}
}

// TestRecentForgetWhileReading: a value read before a change must not be kept behind it.
func TestRecentForgetWhileReading(t *testing.T) {
	t.Parallel()
	r := party.NewRecent[string, string](&clock.Clock{}, time.Hour, 10)
	_, _ = r.Get("a", func() (string, error) {
		r.Forget("a")
		return "before", nil
	})
	if v, _ := r.Get("a", func() (string, error) { return "after", nil }); v != "after" {
		t.Errorf("%q was kept", v)
	}
}
