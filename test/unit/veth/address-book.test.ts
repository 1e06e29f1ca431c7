/** Link layer addresses: the same machine and names give the same address, and no address is used twice. */
import t from 'tap'
import { AddressBook, receiverAddress } from '../../../src/veth/birth/address-book.js'

t.test('a pair of the same names has the same addresses each time, on one machine', async (t) => {
  const [first, again] = [new AddressBook('machine one'), new AddressBook('machine one')]
  const addresses = first.reserve('veth1', 'veth2')
  t.same(again.reserve('veth1', 'veth2'), addresses)
  first.release(addresses)
  t.same(first.reserve('veth1', 'veth2'), addresses, 'and once it was released')
})

t.test('another machine has others, and so have other names and the other end', async (t) => {
  const taken = [
    ...new AddressBook('machine one').reserve('veth1', 'veth2'),
    ...new AddressBook('machine two').reserve('veth1', 'veth2'),
    ...new AddressBook('machine one').reserve('veth1', 'veth3'),
    ...new AddressBook('machine one').reserve('veth0', 'veth2'),
  ]
  t.equal(new Set(taken).size, taken.length)
})

t.test('they are unicast and locally administered', async (t) => {
  const book = new AddressBook('a machine')
  for (let n = 0; n < 200; n++) {
    for (const address of book.reserve(`a${n}`, `b${n}`)) {
      t.match(address, /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/)
      t.equal(Number.parseInt(address.slice(0, 2), 16) & 3, 2)
    }
  }
})

t.test('the same names in another namespace have others, as long as both are there', async (t) => {
  const book = new AddressBook('a machine')
  const [one, two] = [book.reserve('veth1', 'veth2'), book.reserve('veth1', 'veth2')]
  t.equal(new Set([...one, ...two]).size, 4)
})

t.test('an address that was asked for is taken as it is', async (t) => {
  const book = new AddressBook('a machine')
  t.equal(book.reserve('veth1', 'veth2', '2:0:0:0:0:AB')[0], '02:00:00:00:00:ab')
  t.same(receiverAddress('02:00:00:00:00:ab'), { macHigh: 0x0200, macLow: 0x000000ab })
})
