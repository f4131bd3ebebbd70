package clock_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/feiqian/feiqian/internal/clock"
)

func TestNow(t *testing.T) {
	t.Parallel()
	var c clock.Clock
	before := time.Now().Truncate(time.Microsecond)
	now := c.Now()
	if now.Before(before) || now.After(time.Now()) {
		t.Errorf("Now = %v is not now", now)
	}
	if now.Location() != time.UTC || now.Nanosecond()%1000 != 0 {
		t.Errorf("Now = %v is not UTC at microseconds", now)
	}
}

func TestAdvance(t *testing.T) {
	t.Parallel()
	var c clock.Clock
	start := c.Now()
	c.Advance(48 * time.Hour)
	c.Advance(-72 * time.Hour)
	c.Advance(0)
	if ahead := c.Now().Sub(start); ahead < 48*time.Hour || ahead > 49*time.Hour {
		t.Errorf("48 hours forward and a refused step back moved the clock by %v", ahead)
	}
}

func TestMicros(t *testing.T) {
	t.Parallel()
	if clock.Micros(time.Time{}) != 0 || !clock.FromMicros(0).IsZero() {
		t.Error("the zero time is 0")
	}
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(1, 253402300799_999999).Draw(t, "us") // up to the year 9999
		if got := clock.Micros(clock.FromMicros(us)); got != us {
			t.Fatalf("%d came back as %d", us, got)
		}
	})
}

func TestDate(t *testing.T) {
	t.Parallel()
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		at   string
		want clock.Date
	}{
		{"2026-11-22T15:59:59.999999Z", "2026-11-22"},
		{"2026-11-22T16:00:00Z", "2026-11-23"},
		{"2028-02-28T16:00:00Z", "2028-02-29"},
	} {
		at, err := time.Parse(time.RFC3339Nano, test.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := clock.DateOf(at, shanghai); got != test.want {
			t.Errorf("DateOf(%s) = %s, want %s", test.at, got, test.want)
		}
	}
	start, err := clock.Date("2026-11-23").Start(shanghai)
	want := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
	if err != nil || !start.Equal(want) || start.Location() != time.UTC {
		t.Errorf("Start = %v, %v; want %v", start, err, want)
	}
	if _, err := clock.Date("yesterday").Start(shanghai); err == nil {
		t.Error("Start of no date")
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	if d, err := clock.ParseDate("2028-02-29"); err != nil || d != "2028-02-29" {
		t.Errorf("ParseDate = %s, %v", d, err)
	}
	for _, s := range []string{"", "2027-02-29", "2026-13-01", "2026-1-1", "20261122", "2026-11-22T00:00:00Z"} {
		if d, err := clock.ParseDate(s); err == nil || d != "" {
			t.Errorf("ParseDate(%q) = %q, %v", s, d, err)
		}
	}
}
