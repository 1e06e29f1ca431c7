/** Errors as problem documents. */
import t from 'tap'
import { problemOf, toVethdError } from '../../../daemon/problem.js'
import { VethdError } from '../../../src/errors.js'

t.test('a problem holds what a command line needs', async (t) => {
  const error = new VethdError('DEVICE_EXISTS', 'there is one', {
    iproute2: 'RTNETLINK answers: File exists',
    errno: -17,
  })
  t.match(problemOf(error), {
    type: 'urn:vethd:error:device-exists',
    title: /exists/,
    status: 409,
    detail: 'there is one',
    code: 'DEVICE_EXISTS',
    exit: 2,
    iproute2: 'RTNETLINK answers: File exists',
    errno: -17,
  })
})

t.test('an error of a system call is the kernel refusing, or a capability missing', async (t) => {
  const failing = (errno: number) => Object.assign(new Error('no'), { errno, syscall: 'ioctl(TUNSETIFF)' })
  t.match(toVethdError(failing(-16)), { code: 'KERNEL_REFUSED', errno: -16, syscall: 'ioctl(TUNSETIFF)' })
  t.match(toVethdError(failing(-1)), { code: 'NOT_PERMITTED' })
  t.match(toVethdError(failing(-17)), { code: 'DEVICE_EXISTS' })
})

t.test('what fastify refuses keeps its status', async (t) => {
  const tooLarge = Object.assign(new Error('too large'), { statusCode: 413 })
  t.match(problemOf(toVethdError(tooLarge)), { code: 'REQUEST_INVALID', status: 413, detail: 'too large' })
})

t.test('anything else is an internal error of vethd', async (t) => {
  t.match(problemOf(toVethdError(new TypeError('oops'))), { code: 'INTERNAL', status: 500, detail: /^oops/ })
})
