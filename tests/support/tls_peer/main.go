// A client of Go's net/http for tests: makes requests over one connection and tells what came of
// them. Prints one line: JSON.
package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
)

type result struct {
	Error    string `json:"error,omitempty"`
	Status   int    `json:"status"`
	Digest   string `json:"digest"`
	Version  string `json:"version"`
	Cipher   string `json:"cipher"`
	Group    string `json:"group"`
	Protocol string `json:"protocol"`
	Resumed  bool   `json:"resumed"`
}

func tell(r result) {
	_ = json.NewEncoder(os.Stdout).Encode(r)
	os.Exit(0)
}

func main() {
	address := flag.String("address", "", "where to connect")
	host := flag.String("host", "", "what it is called")
	path := flag.String("path", "/hello", "")
	roots := flag.String("roots", "", "file of roots")
	certificate := flag.String("certificate", "", "the client's own")
	key := flag.String("key", "", "")
	oldest := flag.Int("oldest", tls.VersionTLS12, "")
	newest := flag.Int("newest", tls.VersionTLS13, "")
	fresh := flag.Bool("fresh", false, "the second request on a connection of its own")
	flag.Parse()

	pool := x509.NewCertPool()
	pem, err := os.ReadFile(*roots)
	if err != nil {
		tell(result{Error: err.Error()})
	}
	pool.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: pool, MinVersion: uint16(*oldest), MaxVersion: uint16(*newest),
		ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	if *certificate != "" {
		own, err := tls.LoadX509KeyPair(*certificate, *key)
		if err != nil {
			tell(result{Error: err.Error()})
		}
		config.Certificates = []tls.Certificate{own}
	}
	dialer := &net.Dialer{}
	client := http.Client{Transport: &http.Transport{TLSClientConfig: config,
		DisableKeepAlives: *fresh,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, *address)
		}}}
	var last result
	for i := 0; i < 2; i++ {
		response, err := client.Get("https://" + *host + *path)
		if err != nil {
			tell(result{Error: err.Error()})
		}
		digest := sha256.New()
		if _, err = io.Copy(digest, response.Body); err != nil {
			tell(result{Error: err.Error()})
		}
		_ = response.Body.Close()
		last = result{Status: response.StatusCode, Digest: hex.EncodeToString(digest.Sum(nil)),
			Version: tls.VersionName(response.TLS.Version), Group: response.TLS.CurveID.String(),
			Cipher: tls.CipherSuiteName(response.TLS.CipherSuite), Protocol: response.Proto,
			Resumed: response.TLS.DidResume}
	}
	tell(last)
}
