package qr

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/boombuler/barcode"
	"github.com/boombuler/barcode/qr"

	"github.com/feiqian/feiqian/internal/fault"
)

// quiet is the empty border of a code in modules (ISO/IEC 18004 §9.1: four).
const quiet = 4

// Sizes of pictures in pixels of a side.
const (
	SizeDefault = 480
	SizeMax     = 2000
)

func modules(text string) (barcode.Barcode, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fault.Wrap(err, "draw a code")
	}
	return code, nil
}

// PNG draws a text as a QR code with its quiet zone, at most size pixels a side (0 is SizeDefault) and at least one
// pixel a module.
func PNG(text string, size int) ([]byte, error) {
	code, err := modules(text)
	if err != nil {
		return nil, err
	}
	side := code.Bounds().Dx() + 2*quiet
	if size == 0 {
		size = SizeDefault
	}
	scale := max(1, size/side)
	picture := image.NewPaletted(image.Rect(0, 0, side*scale, side*scale), color.Palette{color.White, color.Black})
	for y := range side * scale {
		for x := range side * scale {
			if dark(code, x/scale-quiet, y/scale-quiet) {
				picture.SetColorIndex(x, y, 1)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fault.Wrap(err, "draw a code")
	}
	return out.Bytes(), nil
}

// SVG draws a text as a QR code with its quiet zone: one path, and nothing of the text in it.
func SVG(text string) ([]byte, error) {
	code, err := modules(text)
	if err != nil {
		return nil, err
	}
	side := code.Bounds().Dx() + 2*quiet
	var out strings.Builder
	_, _ = fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`+
		`<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side, side, side)
	for y := range code.Bounds().Dy() {
		for x := 0; x < code.Bounds().Dx(); x++ {
			run := 0
			for dark(code, x+run, y) {
				run++
			}
			if run > 0 {
				_, _ = fmt.Fprintf(&out, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, run, run)
				x += run
			}
		}
	}
	_, _ = out.WriteString(`"/></svg>`)
	return []byte(out.String()), nil
}

func dark(code barcode.Barcode, x, y int) bool {
	if !(image.Point{X: x, Y: y}).In(code.Bounds()) {
		return false
	}
	r, _, _, _ := code.At(x, y).RGBA()
	return r == 0
}
