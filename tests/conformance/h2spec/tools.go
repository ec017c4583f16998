//go:build tools

// Package tools names the program that test_h2spec.py runs, so that go.mod pins it and what it needs.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
